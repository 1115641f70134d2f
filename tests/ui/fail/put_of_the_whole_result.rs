use cache_core::cache_result;

#[cache_result(key = "lead:{id}")]
async fn get_lead(id: u64) -> Option<u64> {
    Some(id)
}

async fn fill() {
    get_lead::put(&1, Some(1_u64)).await;
}

fn main() {}
