use std::collections::HashMap;

use cache_core::cache_result;

#[cache_result(
    key = "user:{id}",
    each = id in ids,
    stale_while_revalidate = "5m",
    refresh_ahead = 0.8,
    soft_timeout = "1s",
    hard_timeout = "2s"
)]
async fn users(ids: Vec<u64>) -> Result<HashMap<u64, u64>, String> {
    Ok(ids.into_iter().map(|id| (id, id)).collect())
}

fn main() {}
