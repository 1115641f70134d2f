use std::collections::HashMap;

use cache_core::cache_result;

#[cache_result(key = "user:{id}", skip(log), each = id in ids)]
async fn users(log: &mut Vec<u64>, ids: Vec<u64>) -> HashMap<u64, u64> {
    log.extend(&ids);
    ids.into_iter().map(|id| (id, id)).collect()
}

fn main() {}
