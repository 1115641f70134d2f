#![deny(warnings)]

use cache_core::{cache_result, invalidate_cache};

#[cache_result(key = "a:{id}")]
#[cfg(all())]
async fn here(id: u64) -> u64 {
    id
}

#[cache_result(key = "b:{id}")]
#[cfg(any())]
async fn nowhere(id: NoSuchType) -> NoSuchType {
    id
}

#[cfg(any())]
#[cache_result(key = "c:{id}")]
async fn nowhere_either(id: NoSuchType) -> NoSuchType {
    id
}

#[cache_result(key = "d:{id}")]
#[cfg_attr(all(), cfg(any()), doc = "Not here.")]
async fn not_by_cfg_attr(id: NoSuchType) -> NoSuchType {
    id
}

/// A documented function.
#[cache_result(key = "e:{id}")]
#[cfg_attr(all(), must_use, doc = "More about it.")]
async fn by_cfg_attr(id: u64) -> u64 {
    id
}

#[cfg_attr(all(), cache_result(key = "f:{id}"))]
async fn cached_by_cfg_attr(id: u64) -> u64 {
    id
}

struct Repo;

impl Repo {
    #[cache_result(key = "g:{id}", skip(self))]
    #[cfg(any())]
    async fn get(&self, id: NoSuchType) -> NoSuchType {
        id
    }
}

#[invalidate_cache(here(id), cached_by_cfg_attr(id))]
#[cfg(all())]
async fn forget(id: u64) -> u64 {
    id
}

fn main() {
    let _ = by_cfg_attr(1);
    drop((here(1), forget(1), cached_by_cfg_attr(1), cached_by_cfg_attr::peek(&1), Repo));
}
