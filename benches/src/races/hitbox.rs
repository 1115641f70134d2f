//! `hitbox`: its function attribute with all that it has against a stampede: one permit for each key and a manager that
//! hands the result to those who wait. The offload manager is there too; it runs what refreshes stale values, and there
//! are none here.

use std::sync::LazyLock;
use std::time::Duration;

use hitbox::backend::{Backend, CacheBackend};
use hitbox::concurrency::BroadcastConcurrencyManager;
use hitbox::offload::OffloadManager;
use hitbox::policy::{ConcurrencyLimit, PolicyConfig, StalePolicy};
use hitbox::{CacheKey, KeyPart};
use hitbox_fn::{Cache, cached};
use hitbox_moka::MokaBackend;
use hitbox_redis::{ConnectionMode, RedisBackend};

use super::source::{Cloneable, Unique, source};
use super::{Library, REDIS};
use crate::data::CAPACITY;

/// A cache for functions that return `R`.
type Guarded<B, R> = LazyLock<Cache<B, BroadcastConcurrencyManager<R>, OffloadManager>>;

static READ: Guarded<MokaBackend, u64> = LazyLock::new(|| guarded(memory()));
static CLONEABLE: Guarded<MokaBackend, Result<u64, Cloneable>> = LazyLock::new(|| guarded(memory()));
static UNIQUE: Guarded<MokaBackend, Result<u64, Unique>> = LazyLock::new(|| guarded(memory()));
static SHARED: Guarded<RedisBackend, u64> = LazyLock::new(|| guarded(redis()));

#[cached(prefix = "read")]
async fn read(id: u64) -> u64 {
    source(id).load().await
}

#[cached(prefix = "cloneable")]
async fn fail_cloneable(id: u64) -> Result<u64, Cloneable> {
    source(id).fail(Cloneable).await
}

#[cached(prefix = "unique")]
async fn fail_unique(id: u64) -> Result<u64, Unique> {
    source(id).fail(Unique).await
}

#[cached(prefix = "shared")]
async fn shared(id: u64) -> u64 {
    source(id).load().await
}

fn memory() -> MokaBackend {
    MokaBackend::builder().max_entries(CAPACITY as u64).build()
}

fn redis() -> RedisBackend {
    let url = REDIS.get().expect("a process with Redis");
    let backend = RedisBackend::builder().connection(ConnectionMode::single(url));
    backend.build().expect("the settings are right")
}

fn guarded<B, R>(backend: B) -> Cache<B, BroadcastConcurrencyManager<R>, OffloadManager>
where
    B: CacheBackend,
    R: hitbox::CacheableResponse,
{
    let policy = PolicyConfig::builder()
        .ttl(Duration::from_secs(3_600))
        .stale_policy(StalePolicy::OffloadRevalidate)
        .concurrency(ConcurrencyLimit::new(1).expect("within its range"));
    Cache::builder()
        .backend(backend)
        .policy(policy.build())
        .concurrency_manager(BroadcastConcurrencyManager::new())
        .offload(OffloadManager::with_defaults())
        .build()
}

pub struct Broadcast;

impl Library for Broadcast {
    const NAME: &'static str = "hitbox";
    const USE: &'static str = "`#[cached]`, `BroadcastConcurrencyManager`, concurrency 1, `OffloadManager`";

    async fn read(id: u64) -> u64 {
        read(id).cache(&*READ).await
    }

    async fn change(id: u64) {
        source(id).change();
        // The key as the attribute makes it.
        let parts = [("fn", "read"), ("id", &id.to_string())];
        let parts = parts.map(|(name, value)| KeyPart::new(name, Some(value)));
        let key = CacheKey::new("", 0, parts.into());
        READ.backend().remove(&key).await.expect("memory does not fail");
    }

    async fn fail_cloneable(id: u64) {
        let result = fail_cloneable(id).cache(&*CLONEABLE).await;
        result.expect_err("the loader fails");
    }

    async fn fail_unique(id: u64) {
        let result = fail_unique(id).cache(&*UNIQUE).await;
        result.expect_err("the loader fails");
    }

    async fn shared(id: u64) -> u64 {
        shared(id).cache(&*SHARED).await
    }
}
