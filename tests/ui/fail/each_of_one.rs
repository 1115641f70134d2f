use std::collections::HashMap;

use cache_core::cache_result;

#[cache_result(key = "user:{id}", each = id in user)]
async fn users(user: u64) -> HashMap<u64, u64> {
    HashMap::from([(user, user)])
}

fn main() {}
