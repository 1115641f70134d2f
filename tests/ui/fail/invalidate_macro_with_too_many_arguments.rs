use cache_core::{cache_result, invalidate};

#[cache_result(key = "lead:{id}")]
async fn get_lead(id: u64) -> Option<u64> {
    Some(id)
}

async fn update(id: u64) {
    invalidate!(get_lead(id, id)).await;
}

fn main() {}
