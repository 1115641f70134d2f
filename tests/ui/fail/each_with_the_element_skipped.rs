use std::collections::HashMap;

use cache_core::cache_result;

#[cache_result(key = "user:{tenant}", skip(id), each = id in ids)]
async fn users(tenant: u64, ids: Vec<u64>) -> HashMap<u64, u64> {
    ids.into_iter().map(|id| (id, tenant)).collect()
}

fn main() {}
