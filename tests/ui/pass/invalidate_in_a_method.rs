#![deny(warnings)]

use cache_core::{CacheManager, cache_result, invalidate};

struct Repo {
    tenant: String,
    cache: CacheManager,
}

impl Repo {
    #[cache_result(key = "repo:{self.tenant}:{id}")]
    async fn get(&self, id: u64) -> u64 {
        id
    }

    #[cache_result(key = "name:{id}", skip(self))]
    async fn name(&self, id: u64) -> u64 {
        id
    }

    async fn update(&self, id: u64) {
        invalidate!(self.get(id), Self::name(id), Self::get(..), self.name(..), "x:{self.tenant}:*", manager = self.cache).await;
    }
}

async fn outside(repo: &Repo) {
    invalidate!(repo.get(1), Repo::name(2)).await;
}

fn main() {
    let repo = Repo { tenant: String::new(), cache: CacheManager::in_memory() };
    drop((repo.update(1), outside(&repo), repo.get(1), repo.name(1)));
}
