use std::collections::HashMap;

use cache_core::cache_result;

struct Repo;

impl Repo {
    #[cache_result(key = "user:{id}", skip(self), each = id in ids)]
    pub async fn users(self, ids: Vec<u64>) -> HashMap<u64, u64> {
        ids.into_iter().map(|id| (id, id)).collect()
    }
}

fn main() {}
