//! The same function with each cache on Redis alone. A call gives whether it came to a value.

use std::pin::Pin;
use std::sync::{LazyLock, OnceLock};
use std::time::Duration;

use cached::AsyncRedisCache;
use cached::macros::concurrent_cached;
use hitbox::policy::PolicyConfig;
use hitbox_fn::Cache;
use hitbox_redis::{ConnectionMode, RedisBackend};
use redis::AsyncCommands;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use tokio::sync::OnceCell;

/// Where Redis is.
pub static URL: OnceLock<String> = OnceLock::new();

type Call = Pin<Box<dyn Future<Output = bool> + Send>>;

pub struct Candidate {
    pub name: &'static str,
    pub call: fn(u64) -> Call,
}

pub const CANDIDATES: &[Candidate] = &[
    Candidate {
        name: "the function alone",
        call: |id| Box::pin(async move { alone(id).await == id }),
    },
    #[cfg(feature = "ours")]
    Candidate {
        name: "ours",
        call: |id| Box::pin(async move { ours(id).await == id }),
    },
    Candidate {
        name: "`ConnectionManager` as it comes, then the function",
        call: |id| Box::pin(raw(id, &MANAGER, ConnectionManagerConfig::new)),
    },
    Candidate {
        name: "`ConnectionManager`, no retries, 100 ms, then the function",
        call: |id| Box::pin(raw(id, &QUICK_MANAGER, quick)),
    },
    Candidate {
        name: "`cached` (`AsyncRedisCache`)",
        call: |id| Box::pin(async move { by_cached(id).await.is_ok() }),
    },
    Candidate {
        name: "`hitbox` (`RedisBackend`)",
        call: |id| Box::pin(async move { by_hitbox(id).cache(&*HITBOX).await == id }),
    },
];

fn url() -> &'static str {
    URL.get().expect("set at start")
}

async fn alone(id: u64) -> u64 {
    id
}

#[cfg(feature = "ours")]
static OURS: OnceCell<cache_core::CacheManager> = OnceCell::const_new();

#[cfg(feature = "ours")]
async fn ours(id: u64) -> u64 {
    let cache = OURS.get_or_init(async || {
        let builder = cache_core::CacheManager::builder().redis_url(url());
        let builder = builder.backend(cache_core::BackendMode::Redis);
        builder.build().await.expect("the settings are right")
    });
    attribute(cache.await, id).await
}

#[cfg(feature = "ours")]
#[cache_core::cache_result(key = "outage:{id}", ttl = 3600, skip(cache), manager = cache)]
async fn attribute(cache: &cache_core::CacheManager, id: u64) -> u64 {
    id
}

static MANAGER: OnceCell<ConnectionManager> = OnceCell::const_new();
static QUICK_MANAGER: OnceCell<ConnectionManager> = OnceCell::const_new();

fn quick() -> ConnectionManagerConfig {
    let limit = Some(Duration::from_millis(100));
    ConnectionManagerConfig::new()
        .set_number_of_retries(0)
        .set_connection_timeout(limit)
        .set_response_timeout(limit)
}

/// What is usually written by hand: asks, runs the function when there is nothing, and stores what it gave.
async fn raw(
    id: u64,
    manager: &'static OnceCell<ConnectionManager>,
    config: fn() -> ConnectionManagerConfig,
) -> bool {
    let manager = manager.get_or_init(async || {
        let client = redis::Client::open(url()).expect("the address is right");
        let manager = client.get_connection_manager_with_config(config());
        manager.await.expect("the server is there")
    });
    let mut manager = manager.await.clone();
    let key = format!("raw:{id}");
    if let Ok(Some(value)) = manager.get::<_, Option<u64>>(&key).await {
        return value == id;
    }
    let _ = manager.set_ex::<_, _, ()>(&key, id, 3600).await;
    true
}

#[concurrent_cached(
    ty = "AsyncRedisCache<u64, u64>",
    create = {
        AsyncRedisCache::builder("outage")
            .ttl_secs(3600)
            .connection_string(url())
            .build()
            .await
            .expect("the server is there")
    },
    map_error = |error| error.to_string()
)]
async fn by_cached(id: u64) -> Result<u64, String> {
    Ok(id)
}

static HITBOX: LazyLock<Cache<RedisBackend>> = LazyLock::new(|| {
    let backend = RedisBackend::builder().connection(ConnectionMode::single(url()));
    Cache::builder()
        .backend(backend.build().expect("the settings are right"))
        .policy(PolicyConfig::builder().ttl(Duration::from_secs(3_600)).build())
        .build()
});

#[hitbox_fn::cached(prefix = "outage")]
async fn by_hitbox(id: u64) -> u64 {
    id
}
