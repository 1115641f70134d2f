#![deny(warnings)]

use std::sync::Arc;

use cache_core::{cache_lead_data, cache_result, cache_search_results, invalidate_cache};

#[derive(Clone)]
struct Repo {
    tenant: String,
    shard: (u8, u8),
}

impl Repo {
    #[cache_result(key = "repo:{self.tenant}:{self.shard.1}:{id}")]
    async fn get(&self, id: u64) -> Result<u64, std::io::Error> {
        Ok(id)
    }

    #[cache_lead_data(skip(self))]
    pub(crate) async fn lead(&self, lead_id: u64) -> Option<u64> {
        Some(lead_id)
    }

    #[cache_search_results(skip(self))]
    pub async fn search(&mut self, text: &str) -> Vec<u64> {
        vec![text.len() as u64]
    }

    #[cache_result(key = "owned:{self.tenant}")]
    async fn owned(self) -> String {
        self.tenant
    }

    #[cache_result(key = "shared:{self.tenant}")]
    async fn shared(self: Arc<Self>) -> String {
        self.tenant.clone()
    }

    #[invalidate_cache(self.get(id), Self::lead(id), Repo::search(..), self.lead(..), "repo:{self.tenant}:*")]
    async fn update(&mut self, id: u64) -> Result<u64, std::io::Error> {
        self.tenant.push('x');
        Ok(id)
    }
}

#[invalidate_cache(repo.get(id), Repo::lead(id), Repo::get(..))]
async fn outside(repo: &Repo, id: u64) -> u64 {
    id + u64::from(repo.shard.0)
}

fn main() {
    let mut repo = Repo { tenant: "t".to_owned(), shard: (0, 1) };
    drop(repo.get(1));
    drop(repo.lead(1));
    drop(repo.search("a"));
    drop(repo.clone().owned());
    drop(Arc::new(repo.clone()).shared());
    drop(repo.update(1));
    drop(outside(&repo, 1));
}
