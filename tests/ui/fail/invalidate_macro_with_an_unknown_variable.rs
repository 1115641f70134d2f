use cache_core::invalidate;

async fn update(lead_id: u64) {
    invalidate!("lead:{lead}:{lead_id}").await;
}

fn main() {}
