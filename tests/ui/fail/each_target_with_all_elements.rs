use std::collections::HashMap;

use cache_core::cache_result;

use cache_core::invalidate_cache;

#[cache_result(key = "user:{id}", each = id in ids)]
async fn users(ids: Vec<u64>) -> HashMap<u64, u64> {
    ids.into_iter().map(|id| (id, id)).collect()
}

#[invalidate_cache(users(ids))]
async fn rename(ids: Vec<u64>) {
    drop(ids);
}

fn main() {}
