#![deny(warnings)]

use cache_core::{cache_result, invalidate, invalidate_cache};

#[allow(dead_code)]
mod lead {
    pub const LIMIT: u8 = 1;
}

#[cache_result(key = "lead:{id}", handle = LeadCache)]
async fn lead(id: u64) -> u64 {
    id
}

#[invalidate_cache(LeadCache(id))]
async fn update(id: u64) -> u64 {
    invalidate!(LeadCache(..)).await;
    id
}

fn main() {
    assert_eq!(LeadCache::key(&1).as_str(), "lead:1");
    drop((lead(1), update(1), LeadCache::peek(&1), LeadCache::refresh(1), lead::LIMIT));
}
