#![deny(warnings)]

use cache_core::{cache_result, entry, invalidate_cache};

struct Repo;

impl Repo {
    #[cache_result(key = "repo:{id}", skip(self), handle = user)]
    async fn get(&self, id: u64) -> u64 {
        id
    }

    #[invalidate_cache(Self::user(id), Self::user(..))]
    async fn forget(&self, id: u64) -> u64 {
        id
    }
}

fn main() {
    assert_eq!(entry!(Repo::user(1)).key().as_str(), "repo:1");
    drop((Repo.get(1), Repo.forget(1)));
}
