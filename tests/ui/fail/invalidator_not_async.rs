use cache_core::invalidate_cache;

#[invalidate_cache("lead:{lead_id}")]
fn update(lead_id: u64) -> u64 {
    lead_id
}

fn main() {}
