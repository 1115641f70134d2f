use cache_core::{cache_result, invalidate_cache};

#[cache_result(key = "lead:{id}", handle = LeadCache)]
async fn lead(id: u64) -> u64 {
    id
}

#[invalidate_cache(lead(id))]
async fn update(id: u64) -> u64 {
    id
}

fn main() {}
