//! Our attributes, by default but for the lease in memory.

use std::sync::OnceLock;
use std::time::Duration;

use cache_core::{BackendMode, CacheManager, cache_result, invalidate_cache};

use super::source::{Cloneable, Unique, source};
use super::{Library, REDIS};

/// The lease in memory. The default is longer than the deadlines here.
const LEASE: Duration = Duration::from_secs(1);

static MEMORY: OnceLock<CacheManager> = OnceLock::new();
static SHARED: OnceLock<CacheManager> = OnceLock::new();

#[cache_result(key = "read:{id}", manager = MEMORY.get().expect("prepared"))]
async fn read(id: u64) -> u64 {
    source(id).load().await
}

#[invalidate_cache(read(id), manager = MEMORY.get().expect("prepared"))]
async fn change(id: u64) {
    source(id).change();
}

#[cache_result(key = "cloneable:{id}", manager = MEMORY.get().expect("prepared"))]
async fn fail_cloneable(id: u64) -> Result<u64, Cloneable> {
    source(id).fail(Cloneable).await
}

#[cache_result(key = "unique:{id}", manager = MEMORY.get().expect("prepared"))]
async fn fail_unique(id: u64) -> Result<u64, Unique> {
    source(id).fail(Unique).await
}

#[cache_result(key = "shared:{id}", manager = SHARED.get().expect("prepared"))]
async fn shared(id: u64) -> u64 {
    source(id).load().await
}

pub struct Ours;

impl Library for Ours {
    const NAME: &'static str = "ours";
    const USE: &'static str = "`#[cache_result]`, in memory with a lease of 1 s, else by default";

    async fn prepare() {
        let builder = CacheManager::builder;
        let (cell, settings) = match REDIS.get() {
            Some(url) => (&SHARED, builder().redis_url(url)),
            None => (&MEMORY, builder().backend(BackendMode::Memory).lease(LEASE)),
        };
        let manager = settings.build().await.expect("the settings are right");
        cell.get_or_init(|| manager);
    }

    async fn read(id: u64) -> u64 {
        read(id).await
    }

    async fn change(id: u64) {
        change(id).await;
    }

    async fn fail_cloneable(id: u64) {
        fail_cloneable(id).await.expect_err("the loader fails");
    }

    async fn fail_unique(id: u64) {
        fail_unique(id).await.expect_err("the loader fails");
    }

    async fn shared(id: u64) -> u64 {
        shared(id).await
    }
}
