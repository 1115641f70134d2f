use std::collections::HashMap;

use cache_core::cache_result;

#[derive(Clone)]
struct User;

#[cache_result(key = "user:{id}", each = id in ids)]
async fn users(ids: Vec<u64>) -> Result<HashMap<u64, User>, std::io::Error> {
    Ok(ids.into_iter().map(|id| (id, User)).collect())
}

fn main() {}
