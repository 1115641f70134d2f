use std::collections::HashMap;

use cache_core::cache_result;

#[cache_result(key = "user:{id}", each = id in ids)]
async fn users(ids: Vec<u64>) -> Result<HashMap<String, u64>, std::io::Error> {
    Ok(ids.into_iter().map(|id| (id.to_string(), id)).collect())
}

fn main() {}
