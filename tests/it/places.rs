//! Where a cache can be: in memory, in Redis, in both. What holds of one has to hold of all, so most tests go through them.

use std::time::{Duration, Instant};

use cache_core::{BackendMode, CacheManager, CacheManagerBuilder};
use tests::{RedisServer, shared, unique_prefix};

/// A busy machine may take longer than a call would otherwise spend on Redis.
const PATIENCE: Duration = Duration::from_secs(10);

/// A manager over memory and a server of the test's own.
pub(crate) async fn over(server: &RedisServer) -> CacheManager {
    CacheManager::builder()
        .redis_url(server.url())
        .op_budget(PATIENCE)
        .build()
        .await
        .expect("a cache")
}

/// A manager of each kind, on a prefix of its own.
pub(crate) async fn managers() -> Vec<CacheManager> {
    managers_with(|builder| builder).await
}

/// The same, with settings.
pub(crate) async fn managers_with(
    settings: impl Fn(CacheManagerBuilder) -> CacheManagerBuilder,
) -> Vec<CacheManager> {
    let mut managers = Vec::new();
    for mode in [BackendMode::Memory, BackendMode::Redis, BackendMode::Tiered] {
        let mut builder = CacheManager::builder()
            .backend(mode)
            .op_budget(PATIENCE)
            .key_prefix(unique_prefix());
        if mode != BackendMode::Memory {
            builder = builder.redis_url(shared().url());
        }
        managers.push(settings(builder).build().await.expect("a cache"));
    }
    managers
}

/// What the server of [`managers`] says of a key of one of them; nothing where it is in memory alone. `{key}` in the command
/// stands for the key with its prefix.
pub(crate) async fn in_redis(cache: &CacheManager, command: &[&str], key: &str) -> Option<String> {
    cache.health().await.redis?;
    let full = format!("{}:{key}", cache.key_prefix());
    let command: Vec<&str> = command
        .iter()
        .map(|word| if *word == "{key}" { full.as_str() } else { word })
        .collect();
    Some(shared().cli(&command).trim().to_owned())
}

/// Waits until what is stored under a key is no longer fresh.
pub(crate) async fn until_stale(cache: &CacheManager, key: &str) {
    let deadline = Instant::now() + PATIENCE;
    while cache.exists(key).await {
        assert!(Instant::now() < deadline, "`{key}` is still fresh");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
