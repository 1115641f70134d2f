use std::collections::HashMap;

use cache_core::cache_result;

#[derive(Clone, PartialEq, Eq, Hash)]
struct Id(u64);

#[cache_result(key = "user:{id.1}", each = id in ids)]
async fn users(ids: Vec<Id>) -> HashMap<Id, u64> {
    ids.into_iter().map(|id| (id, 1)).collect()
}

fn main() {}
