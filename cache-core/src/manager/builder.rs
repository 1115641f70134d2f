//! A manager to be described: every setting of the environment has its method here.

use std::sync::Arc;
use std::time::Duration;

use crate::config::{self, Config, Secret, Settings, variable_name};
use crate::engine::Core;
use crate::remote::{InOrder, Store};
use crate::{BackendMode, CacheBackend, CacheError, CacheManager, EvictionPolicy, RedisMode};

/// Describes a [`CacheManager`]. What is not said comes from the environment, and then from the defaults.
#[derive(Debug, Default)]
#[must_use = "a builder does nothing until `build`"]
pub struct CacheManagerBuilder {
    settings: Settings,
    store: Option<Arc<dyn Store>>,
}

macro_rules! setters {
    ($($(#[$doc:meta])* $name:ident: $t:ty => $field:ident;)*) => {$(
        $(#[$doc])*
        pub fn $name(mut self, value: $t) -> Self {
            self.settings.$field = Some(value);
            self
        }
    )*};
}

impl CacheManagerBuilder {
    setters! {
        /// `CACHE_ENABLED`: with `false` every function runs as if not annotated.
        enabled: bool => enabled;
        /// `CACHE_BACKEND`: which tiers hold entries.
        backend: BackendMode => backend;
        /// `REDIS_PORT`.
        redis_port: u16 => redis_port;
        /// `REDIS_DB`.
        redis_db: i64 => redis_db;
        /// `REDIS_MODE`: how Redis is deployed; a cluster where several addresses are named, else a single server.
        redis_mode: RedisMode => redis_mode;
        /// `REDIS_MAX_CONNECTIONS`: the most connections to each server. One carries single reads and writes; where two are
        /// allowed, scans and batches go over the second.
        redis_max_connections: usize => redis_max_connections;
        /// `REDIS_TIMEOUT`: how long connecting may take.
        redis_timeout: Duration => redis_timeout;
        /// `CACHE_OP_BUDGET`: what one call may spend on Redis, however many commands it takes.
        op_budget: Duration => op_budget;
        /// `CACHE_MEMORY_TTL`: with Redis behind it, how old an entry in memory may get before Redis is asked again.
        memory_ttl: Duration => memory_ttl;
        /// `CACHE_DEGRADED_TTL`: how long memory serves a copy while the channel of invalidations is lost; zero for not
        /// at all.
        degraded_ttl: Duration => degraded_ttl;
        /// `CACHE_CLIENT_TRACKING`: whether Redis is to tell at once what other programs write under the prefix, so that
        /// copies in memory go with a `DEL` by hand; off unless said. It costs a message to every process for each write of
        /// any, and one further read for each load, as the server also tells a process of its own writes.
        client_tracking: bool => client_tracking;
        /// Whether reads of single keys may ride together in one `MGET` where more than eight are under way; they do unless
        /// said. It takes a third off what a hit in Redis costs a process with hundreds of them at once; a proxy that takes no
        /// `MGET` is a reason against it. It has no variable.
        gather_reads: bool => gather_reads;
        /// `CACHE_LEASE`: how long a load that nobody polls holds its key.
        lease: Duration => lease;
        /// `CACHE_STALE_THROTTLE`: the time between two tries while something stale is served.
        stale_throttle: Duration => stale_throttle;
        /// `CACHE_DEFAULT_TTL`: how long entries are fresh when neither their function nor their namespace says.
        default_ttl: Duration => default_ttl;
        /// `MAX_MEMORY_SIZE`: the most entries in memory.
        max_entries: usize => max_entries;
        /// `MAX_MEMORY_SIZE`, by the name of the variable; the same as [`max_entries`](Self::max_entries).
        max_memory_size: usize => max_entries;
        /// `CACHE_MAX_BYTES`: the most bytes in memory: of keys, of values as they are encoded, and 128 for each entry.
        max_bytes: u64 => max_bytes;
        /// `CACHE_EVICTION`: who leaves when memory is full.
        eviction: EvictionPolicy => eviction;
        /// `COMPRESSION_THRESHOLD`: from how many bytes on values are compressed in Redis; 0 for never.
        compression_threshold: usize => compression_threshold;
        /// `MAX_SEARCH_RESULTS`: the longest list that `#[cache_search_results]` stores.
        max_search_results: usize => max_search_results;
        /// `INDEXING_BATCH_SIZE`: how many keys go into one command of a batch.
        indexing_batch_size: usize => batch_size;
        /// The largest value that is stored, in encoded bytes; 64 MiB unless said. It has no variable.
        max_value_bytes: usize => max_value_bytes;
        /// The number of parts that memory is cut into, each with its own lock: a power of two. With 1, eviction is
        /// exact; by default there are four for each core, fewer for small caches. It has no variable.
        shards: usize => shards;
    }

    /// `REDIS_URL`: `redis://`, `unix://`, or `rediss://` with the feature `tls`. Several addresses, separated by commas, are
    /// the nodes of a cluster, or the sentinels with [`redis_mode`](Self::redis_mode)`(RedisMode::Sentinel)`; what the first
    /// one says of user, password, database and TLS holds for those after it that are a host alone, and for the servers.
    pub fn redis_url(mut self, url: impl Into<String>) -> Self {
        self.settings.redis_url = Some(Secret(url.into()));
        self
    }

    /// `REDIS_HOST`, when there is no URL; several, separated by commas.
    pub fn redis_host(mut self, host: impl Into<String>) -> Self {
        self.settings.redis_host = Some(host.into());
        self
    }

    /// `REDIS_USERNAME`, when there is no URL.
    pub fn redis_username(mut self, name: impl Into<String>) -> Self {
        self.settings.redis_username = Some(name.into());
        self
    }

    /// `REDIS_PASSWORD`, when there is no URL. It is shown nowhere.
    pub fn redis_password(mut self, password: impl Into<String>) -> Self {
        self.settings.redis_password = Some(Secret(password.into()));
        self
    }

    /// `REDIS_SENTINEL_MASTER`: the name that the sentinels know the master by.
    pub fn redis_sentinel_master(mut self, name: impl Into<String>) -> Self {
        self.settings.redis_sentinel_master = Some(name.into());
        self
    }

    /// `CACHE_KEY_PREFIX`: what stands before every key in Redis, with a colon; nothing for an empty one.
    pub fn key_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.settings.key_prefix = Some(prefix.into());
        self
    }

    /// `CACHE_TTL_<NAMESPACE>`: how long entries of a namespace are fresh when their function does not say.
    pub fn namespace_ttl(mut self, namespace: &str, ttl: Duration) -> Self {
        self.settings.namespace_ttls.insert(variable_name(namespace), ttl);
        self
    }

    /// `SEARCH_CACHE_TTL`: the TTL of namespace `search`.
    pub fn search_cache_ttl(self, ttl: Duration) -> Self {
        self.namespace_ttl("search", ttl)
    }

    /// `LEAD_CACHE_TTL`: the TTL of namespace `lead`.
    pub fn lead_cache_ttl(self, ttl: Duration) -> Self {
        self.namespace_ttl("lead", ttl)
    }

    /// `USER_PREFS_TTL`: the TTL of namespace `user_prefs`.
    pub fn user_prefs_ttl(self, ttl: Duration) -> Self {
        self.namespace_ttl("user_prefs", ttl)
    }

    /// `ANALYTICS_TTL`: the TTL of namespace `analytics`.
    pub fn analytics_ttl(self, ttl: Duration) -> Self {
        self.namespace_ttl("analytics", ttl)
    }

    /// A store of your own in the place of Redis: behind memory, or alone with
    /// [`backend`](Self::backend)`(BackendMode::Redis)`.
    pub fn store(mut self, store: impl CacheBackend) -> Self {
        self.store = Some(Arc::new(InOrder::new(store)));
        self.settings.has_store = true;
        self
    }

    /// Makes the manager. It waits for the first attempt to reach Redis, for `redis_timeout` at most.
    ///
    /// # Errors
    /// [`CacheError::Config`] for a setting that cannot be used, here or in the environment, and for credentials that
    /// Redis refuses. An unreachable Redis is no error: the cache connects as soon as it can.
    pub async fn build(self) -> Result<CacheManager, CacheError> {
        let environment = config::process();
        config::warn_about_misspelt(&environment);
        let config = Config::resolve(self.settings, config::read(&environment)?)?;
        let core = Arc::new(Core::new(config, self.store)?);
        if let Some(remote) = &core.remote {
            remote.first_attempt().await?;
            #[cfg(feature = "redis")]
            {
                core.listen();
                core.until_heard().await;
            }
        }
        Ok(CacheManager::from_core(core))
    }
}
