use std::collections::HashMap;

use cache_core::cache_result;

#[cache_result(key = "user:{id}", each = id in idz)]
async fn users(ids: Vec<u64>) -> HashMap<u64, u64> {
    ids.into_iter().map(|id| (id, id)).collect()
}

fn main() {}
