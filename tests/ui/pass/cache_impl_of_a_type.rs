#![deny(warnings)]

use cache_core::{cache_impl, cache_result, entry, invalidate, invalidate_cache};

struct Repo;

#[cache_impl]
impl Repo {
    const LIMIT: u8 = { 1 };

    fn plain() -> u8 {
        Self::LIMIT
    }

    /// Found by its name.
    #[cache_result(key = "find:{name}")]
    pub async fn find(name: &str) -> Option<u64> {
        Some(name.len() as u64)
    }

    #[cache_result]
    async fn count() -> u64 {
        1
    }

    #[cache_result(key = "get:{id}", skip(self))]
    async fn get(&self, id: u64) -> u64 {
        id
    }

    #[invalidate_cache(Self::find(name), Self::find(..), Self::count(), self.get(..))]
    async fn forget(&self, name: &str) -> usize {
        name.len()
    }
}

async fn all() {
    invalidate!(Repo::find("a"), Repo::count(..)).await;
    entry!(Repo::find("a")).put(1).await;
    let _: Option<u64> = entry!(Repo::count()).peek().await;
    let _ = cache_core::refresh(Repo::find("a")).await;
    drop((Repo.get(1), Repo.forget("a"), Repo::plain(), Repo::count()));
}

fn main() {
    drop(all());
}
