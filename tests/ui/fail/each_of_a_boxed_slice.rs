use std::collections::HashMap;

use cache_core::cache_result;

struct Repo;

#[async_trait::async_trait]
#[cache_core::cache_impl]
impl Users for Repo {
    #[cache_result(key = "user:{id}", skip(self), each = id in ids)]
    async fn users(&self, ids: &[u64]) -> HashMap<u64, u64> {
        ids.iter().map(|id| (*id, *id)).collect()
    }
}

#[async_trait::async_trait]
trait Users {
    async fn users(&self, ids: &[u64]) -> HashMap<u64, u64>;
}

fn main() {}
