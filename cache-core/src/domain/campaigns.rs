//! What the platforms say of campaigns and their ad sets. Invariant: while a platform is down, what it said last is served
//! for a bounded time.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::manager::Fetch;
use crate::{CacheKey, CacheManager, Key};

/// How long an answer is fresh when its namespace was given no TTL.
const FRESH: Duration = Duration::from_secs(5 * 60);
/// How long past its TTL an answer is served while the platform fails.
const STALE: Duration = Duration::from_secs(24 * 60 * 60);

/// The answers of platforms; see [`CacheManager::campaigns`].
///
/// | answer | key | TTL |
/// |---|---|---|
/// | [`status`](Self::status) | `campaign:{id}:{platform}:status` | `CACHE_TTL_CAMPAIGN`, else 5 minutes |
/// | [`metrics`](Self::metrics) | `campaign:{id}:{platform}:metrics` | likewise |
/// | [`adset_status`](Self::adset_status) | `adset:{id}:{platform}:status` | `CACHE_TTL_ADSET`, else 5 minutes |
///
/// When `load` fails, the last answer is served for up to 24 hours past its TTL, and the platform is asked again after
/// `CACHE_STALE_THROTTLE` at the earliest; after that, or where there is no answer, the error is the loader's own. `ttl` and
/// `stale_if_error` on what the methods return set other times.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), std::io::Error> {
/// # let cache = cache_core::CacheManager::in_memory();
/// # async fn ask(_: &str) -> Result<String, std::io::Error> { Ok("active".into()) }
/// let status: String = cache.campaigns().status("c_1", "meta", || ask("c_1")).await?;
/// assert_eq!(cache.campaigns().invalidate("c_1", Some("meta")).await, 1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Campaigns<'a> {
    cache: &'a CacheManager,
    bypass: bool,
}

impl<'a> Campaigns<'a> {
    pub(super) fn new(cache: &'a CacheManager) -> Self {
        Self { cache, bypass: false }
    }

    /// With `true` the cache is neither read nor written: each call asks the platform.
    pub fn bypass(mut self, bypass: bool) -> Self {
        self.bypass = bypass;
        self
    }

    /// The status of a campaign, or what `load` gives; see [`CacheManager::get_or_fetch`].
    pub fn status<T, E, L, F>(
        &self,
        id: impl CacheKey,
        platform: impl CacheKey,
        load: L,
    ) -> Fetch<'a, T, E, L>
    where
        T: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
        L: FnOnce() -> F + Send + 'a,
        F: Future<Output = Result<T, E>> + Send,
        E: Send,
    {
        self.fetch(CAMPAIGN, key(CAMPAIGN, &id, &platform, STATUS), load)
    }

    /// The metrics of a campaign, or what `load` gives; see [`CacheManager::get_or_fetch`].
    pub fn metrics<T, E, L, F>(
        &self,
        id: impl CacheKey,
        platform: impl CacheKey,
        load: L,
    ) -> Fetch<'a, T, E, L>
    where
        T: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
        L: FnOnce() -> F + Send + 'a,
        F: Future<Output = Result<T, E>> + Send,
        E: Send,
    {
        self.fetch(CAMPAIGN, key(CAMPAIGN, &id, &platform, METRICS), load)
    }

    /// The status of an ad set, or what `load` gives; see [`CacheManager::get_or_fetch`].
    pub fn adset_status<T, E, L, F>(
        &self,
        adset_id: impl CacheKey,
        platform: impl CacheKey,
        load: L,
    ) -> Fetch<'a, T, E, L>
    where
        T: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
        L: FnOnce() -> F + Send + 'a,
        F: Future<Output = Result<T, E>> + Send,
        E: Send,
    {
        self.fetch(ADSET, key(ADSET, &adset_id, &platform, STATUS), load)
    }

    fn fetch<T, E, L, F>(&self, namespace: &str, key: Key, load: L) -> Fetch<'a, T, E, L>
    where
        T: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
        L: FnOnce() -> F + Send + 'a,
        F: Future<Output = Result<T, E>> + Send,
        E: Send,
    {
        let said = self.cache.core.config.own_ttl_of(namespace);
        self.cache
            .get_or_fetch(key, load)
            .ttl(said.unwrap_or(FRESH))
            .stale_if_error(STALE)
            .bypass(self.bypass)
    }

    /// Deletes what is known of a campaign, stale answers too, and keeps loads that are under way from storing it again:
    /// with a platform, its status and metrics there; without one, everything under `campaign:{id}:`. What is known of its
    /// ad sets stays. Tells how many entries there were.
    ///
    /// Without a platform the keys are looked for page by page, which takes longer the more keys there are in Redis.
    pub async fn invalidate(&self, id: impl CacheKey, platform: Option<&str>) -> u64 {
        if let Some(platform) = platform {
            let mut gone = 0;
            for what in [STATUS, METRICS] {
                gone += u64::from(self.cache.delete(key(CAMPAIGN, &id, &platform, what)).await);
            }
            return gone;
        }
        // What a value is written as has no wildcard in it.
        let pattern = Key::pattern(|key| {
            key.literal("campaign:");
            id.write_key(key);
            key.literal(":*");
        });
        self.cache.invalidate(pattern).await
    }
}

const CAMPAIGN: &str = "campaign";
const ADSET: &str = "adset";
const STATUS: &str = ":status";
const METRICS: &str = ":metrics";

fn key(namespace: &str, id: &impl CacheKey, platform: &impl CacheKey, what: &str) -> Key {
    Key::render(|key| {
        key.literal(namespace);
        key.literal(":");
        id.write_key(key);
        key.literal(":");
        platform.write_key(key);
        key.literal(what);
    })
}
