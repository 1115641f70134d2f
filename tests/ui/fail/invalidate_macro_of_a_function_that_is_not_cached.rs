use cache_core::invalidate;

async fn get_lead(id: u64) -> u64 {
    id
}

async fn update(id: u64) {
    invalidate!(get_lead(id)).await;
}

fn main() {}
