use std::sync::Arc;

use cache_core::cache_result;

struct Repo<'a> {
    tenant: &'a str,
}

impl<'a> Repo<'a> {
    #[cache_result(key = "repo:{self.tenant}:{id}", refresh_ahead = 0.8)]
    async fn get(self: Arc<Self>, id: u64) -> u64 {
        id + self.tenant.len() as u64
    }
}

fn main() {}
