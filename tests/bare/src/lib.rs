//! Without the feature `macros` the attributes leave the bare function. `cargo test --manifest-path tests/bare/Cargo.toml`
#![cfg(test)]
#![deny(warnings)]

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use cache_core::{CacheManager, cache_impl, cache_lead_data, cache_result, cache_search_results, invalidate_cache};

static RUNS: AtomicU32 = AtomicU32::new(0);

fn run() -> u32 {
    RUNS.fetch_add(1, Relaxed)
}

/// Not even what is stored has to be fit for it.
struct Number(u32);

#[cache_result(key = "number:{id}", ttl = "5m", skip(self))]
async fn number(id: u64) -> Number {
    let _ = id;
    Number(run())
}

#[cache_search_results(popular = text)]
async fn search(text: &str) -> Vec<u32> {
    vec![run() + text.len() as u32]
}

struct Repo;

#[cache_impl]
impl Repo {
    #[cache_lead_data]
    async fn find(lead_id: u64) -> Option<u32> {
        (lead_id > 0).then(run)
    }

    #[invalidate_cache(Self::find(lead_id), number(..), "search:*")]
    async fn forget(&self, lead_id: u64) -> u64 {
        lead_id
    }
}

#[tokio::test(flavor = "current_thread")]
async fn functions_run_as_if_they_were_not_annotated() {
    let before = CacheManager::current().stats().total;
    let (first, second) = (number(1).await.0, number(1).await.0);
    assert_ne!(first, second);
    assert_ne!(search("a").await, search("a").await);
    assert_ne!(Repo::find(1).await, Repo::find(1).await);
    assert_eq!(Repo.forget(1).await, 1);
    assert_eq!(CacheManager::current().stats().total.misses, before.misses);
}
