use cache_core::cache_result;

#[cache_result(key = "lead:{id}")]
async fn get_lead(id: u64) -> Option<u64> {
    Some(id)
}

async fn look() {
    get_lead::peek().await;
}

fn main() {}
