//! Where a cache can be: in memory, in Redis, in both. What holds of one has to hold of all, so most tests go through them.

use cache_core::{BackendMode, CacheManager, CacheManagerBuilder};
use tests::{shared, unique_prefix};

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
        let mut builder = CacheManager::builder().backend(mode).key_prefix(unique_prefix());
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
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while cache.exists(key).await {
        assert!(std::time::Instant::now() < deadline, "`{key}` is still fresh");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}
