use cache_core::cache_result;

#[cache_result(key = "lead:{id}")]
async fn get_lead(id: u64) -> Option<u64> {
    Some(id)
}

async fn fill() {
    get_lead::put(&1, "one").await;
}

fn main() {}
