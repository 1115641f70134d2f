use std::collections::HashMap;

use cache_core::cache_result;

use std::collections::HashSet;

#[cache_result(key = "user:{id}", each = id in ids)]
async fn users(ids: HashSet<u64>) -> HashMap<u64, u64> {
    ids.into_iter().map(|id| (id, id)).collect()
}

fn main() {}
