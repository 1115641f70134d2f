//! What a manager is made with: the settings of the builder over those of the environment over the defaults.
//! It connects nowhere. Invariant: a [`Config`] is complete and in range; what is wrong is found here, with its name.

mod address;
pub(crate) mod duration;
mod env;

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

pub(crate) use address::{Servers, redact};
pub(crate) use env::{process, read, warn_about_misspelt};

use crate::CacheError;
use address::Address;

/// Which tiers hold entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackendMode {
    /// This process' memory alone.
    Memory,
    /// Redis alone: every hit asks it.
    Redis,
    /// Memory in front of Redis.
    Tiered,
}

/// How Redis is deployed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedisMode {
    /// One server.
    Single,
    /// Redis Cluster: each key is on one of several servers. It has database 0 alone.
    Cluster,
    /// One server, whichever the sentinels at the given addresses say is the master. Users and passwords are those of the
    /// servers; sentinels that know none are asked without.
    Sentinel,
}

/// Which entry leaves the memory tier when it is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum EvictionPolicy {
    /// The least recently used.
    #[default]
    Lru,
    /// The least frequently used, where old use counts less and less.
    Lfu,
    /// The one that was stored first.
    Fifo,
    /// Any one.
    Random,
}

/// A text that is shown nowhere.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Secret(pub(crate) String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

/// Settings that were said, by the builder or by the environment; the rest is `None`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settings {
    pub(crate) enabled: Option<bool>,
    pub(crate) backend: Option<BackendMode>,
    pub(crate) redis_url: Option<Secret>,
    pub(crate) redis_host: Option<String>,
    pub(crate) redis_port: Option<u16>,
    pub(crate) redis_db: Option<i64>,
    pub(crate) redis_username: Option<String>,
    pub(crate) redis_password: Option<Secret>,
    pub(crate) redis_mode: Option<RedisMode>,
    pub(crate) redis_sentinel_master: Option<String>,
    pub(crate) redis_max_connections: Option<usize>,
    pub(crate) client_tracking: Option<bool>,
    pub(crate) gather_reads: Option<bool>,
    pub(crate) redis_timeout: Option<Duration>,
    pub(crate) op_budget: Option<Duration>,
    pub(crate) memory_ttl: Option<Duration>,
    pub(crate) degraded_ttl: Option<Duration>,
    pub(crate) lease: Option<Duration>,
    pub(crate) stale_throttle: Option<Duration>,
    pub(crate) key_prefix: Option<String>,
    pub(crate) default_ttl: Option<Duration>,
    /// By namespace, upper-cased as in the environment.
    pub(crate) namespace_ttls: HashMap<String, Duration>,
    pub(crate) max_entries: Option<usize>,
    pub(crate) max_bytes: Option<u64>,
    pub(crate) eviction: Option<EvictionPolicy>,
    pub(crate) compression_threshold: Option<usize>,
    pub(crate) max_search_results: Option<usize>,
    pub(crate) batch_size: Option<usize>,
    pub(crate) max_value_bytes: Option<usize>,
    pub(crate) shards: Option<usize>,
    pub(crate) has_store: bool,
}

/// Complete settings.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) enabled: bool,
    pub(crate) backend: BackendMode,
    pub(crate) redis: Option<RedisConfig>,
    pub(crate) op_budget: Duration,
    pub(crate) memory_ttl: Duration,
    pub(crate) degraded_ttl: Duration,
    pub(crate) lease: Duration,
    pub(crate) stale_throttle: Duration,
    pub(crate) key_prefix: String,
    pub(crate) default_ttl: Duration,
    pub(crate) namespace_ttls: HashMap<String, Duration>,
    pub(crate) max_entries: usize,
    pub(crate) max_bytes: Option<u64>,
    pub(crate) eviction: EvictionPolicy,
    pub(crate) compression_threshold: usize,
    pub(crate) max_search_results: usize,
    pub(crate) batch_size: usize,
    pub(crate) max_value_bytes: usize,
    pub(crate) shards: Option<usize>,
}

/// How to reach Redis.
#[derive(Debug, Clone)]
pub(crate) struct RedisConfig {
    pub(crate) servers: Servers,
    pub(crate) max_connections: usize,
    pub(crate) timeout: Duration,
    /// Whether the servers are to tell what other programs write.
    pub(crate) tracking: bool,
    /// Whether reads that are under way at once may ride in one command.
    pub(crate) gathers: bool,
}

impl Config {
    /// `said` beats `environment` beats the defaults.
    pub(crate) fn resolve(said: Settings, environment: Settings) -> Result<Self, CacheError> {
        let own_redis = said.redis_url.is_some() || said.redis_host.is_some();
        let said_backend = said.backend;
        let mut namespace_ttls = default_ttls();
        namespace_ttls.extend(environment.namespace_ttls);
        namespace_ttls.extend(said.namespace_ttls);
        // An address from the builder is not mixed with the address of the environment.
        let (environment_url, environment_host) = if own_redis {
            (None, None)
        } else {
            (environment.redis_url, environment.redis_host)
        };
        macro_rules! pick {
            ($field:ident) => {
                said.$field.or(environment.$field)
            };
        }
        let address = Address {
            url: said.redis_url.or(environment_url),
            host: said.redis_host.or(environment_host),
            port: pick!(redis_port),
            db: pick!(redis_db),
            username: pick!(redis_username),
            password: pick!(redis_password),
            mode: pick!(redis_mode),
            master: pick!(redis_sentinel_master),
        };
        let redis = address.resolve()?.map(|servers| RedisConfig {
            servers,
            max_connections: pick!(redis_max_connections).unwrap_or(10),
            timeout: pick!(redis_timeout).unwrap_or(Duration::from_secs(5)),
            tracking: pick!(client_tracking).unwrap_or(false),
            gathers: said.gather_reads.unwrap_or(true),
        });
        let remote = redis.is_some() || said.has_store;
        let backend = match said_backend.or(if own_redis || said.has_store {
            None
        } else {
            environment.backend
        }) {
            Some(BackendMode::Memory) => BackendMode::Memory,
            Some(mode) if remote => mode,
            Some(mode) => {
                let name = if mode == BackendMode::Redis {
                    "redis"
                } else {
                    "tiered"
                };
                return Err(CacheError::Config(format!(
                    "`CACHE_BACKEND` is `{name}`, but no Redis is named: set `REDIS_URL` or `REDIS_HOST`, or use `memory`"
                )));
            }
            None if remote => BackendMode::Tiered,
            None => BackendMode::Memory,
        };
        let defaults = Self::defaults();
        let config = Self {
            enabled: pick!(enabled).unwrap_or(defaults.enabled),
            backend,
            redis: if backend == BackendMode::Memory {
                None
            } else {
                redis
            },
            op_budget: pick!(op_budget).unwrap_or(defaults.op_budget),
            memory_ttl: pick!(memory_ttl).unwrap_or(defaults.memory_ttl),
            degraded_ttl: pick!(degraded_ttl).unwrap_or(defaults.degraded_ttl),
            lease: pick!(lease).unwrap_or(defaults.lease),
            stale_throttle: pick!(stale_throttle).unwrap_or(defaults.stale_throttle),
            key_prefix: pick!(key_prefix).unwrap_or(defaults.key_prefix),
            default_ttl: pick!(default_ttl).unwrap_or(defaults.default_ttl),
            namespace_ttls,
            max_entries: pick!(max_entries).unwrap_or(defaults.max_entries),
            max_bytes: pick!(max_bytes),
            eviction: pick!(eviction).unwrap_or(defaults.eviction),
            compression_threshold: pick!(compression_threshold).unwrap_or(defaults.compression_threshold),
            max_search_results: pick!(max_search_results).unwrap_or(defaults.max_search_results),
            batch_size: pick!(batch_size).unwrap_or(defaults.batch_size),
            max_value_bytes: pick!(max_value_bytes).unwrap_or(defaults.max_value_bytes),
            shards: pick!(shards),
        };
        config.check()?;
        Ok(config)
    }

    /// What holds when nothing is said.
    pub(crate) fn defaults() -> Self {
        Self {
            enabled: true,
            backend: BackendMode::Memory,
            redis: None,
            op_budget: Duration::from_millis(100),
            memory_ttl: Duration::from_secs(60),
            degraded_ttl: Duration::from_secs(10),
            lease: Duration::from_secs(10),
            stale_throttle: Duration::from_secs(10),
            key_prefix: "app".to_owned(),
            default_ttl: Duration::from_secs(300),
            namespace_ttls: default_ttls(),
            max_entries: 10_000,
            max_bytes: None,
            eviction: EvictionPolicy::Lru,
            compression_threshold: 1024,
            max_search_results: 1000,
            batch_size: 100,
            max_value_bytes: 64 << 20,
            shards: None,
        }
    }

    fn check(&self) -> Result<(), CacheError> {
        if let Some(redis) = &self.redis {
            if redis.max_connections == 0 {
                return Err(CacheError::Config(
                    "`REDIS_MAX_CONNECTIONS` is 0; it takes at least 1".into(),
                ));
            }
            if redis.timeout.is_zero() {
                return Err(CacheError::Config(
                    "`REDIS_TIMEOUT` is 0; it takes the seconds that connecting may take".into(),
                ));
            }
        }
        let durations = [
            ("default_ttl", "CACHE_DEFAULT_TTL", self.default_ttl),
            ("op_budget", "CACHE_OP_BUDGET", self.op_budget),
            ("memory_ttl", "CACHE_MEMORY_TTL", self.memory_ttl),
            ("lease", "CACHE_LEASE", self.lease),
        ];
        for (method, variable, value) in durations {
            if value.is_zero() {
                return Err(CacheError::Config(format!(
                    "`{method}` (`{variable}`) is zero; it takes a duration longer than that"
                )));
            }
        }
        if let Some((namespace, _)) = self.namespace_ttls.iter().find(|(_, ttl)| ttl.is_zero()) {
            return Err(CacheError::Config(format!(
                "the TTL of namespace `{namespace}` (`CACHE_TTL_{namespace}`) is zero; it takes a duration longer than that"
            )));
        }
        let counts = [
            (
                "max_entries",
                "MAX_MEMORY_SIZE",
                Some(self.max_entries as u64),
                ", or `CACHE_BACKEND=redis` to hold nothing in memory",
            ),
            ("max_bytes", "CACHE_MAX_BYTES", self.max_bytes, ""),
            (
                "indexing_batch_size",
                "INDEXING_BATCH_SIZE",
                Some(self.batch_size as u64),
                "",
            ),
            (
                "max_search_results",
                "MAX_SEARCH_RESULTS",
                Some(self.max_search_results as u64),
                "",
            ),
        ];
        for (method, variable, value, hint) in counts {
            if value == Some(0) {
                return Err(CacheError::Config(format!(
                    "`{method}` (`{variable}`) is 0; it takes at least 1{hint}"
                )));
            }
        }
        if let Some(shards) = self.shards
            && !shards.is_power_of_two()
        {
            return Err(CacheError::Config(format!(
                "`shards` is {shards}; it takes a power of two"
            )));
        }
        Ok(())
    }

    /// How long an entry of this namespace is fresh when its function does not say.
    pub(crate) fn ttl_of(&self, namespace: &str) -> Duration {
        self.own_ttl_of(namespace).unwrap_or(self.default_ttl)
    }

    /// The TTL that this namespace was given for itself, if it was.
    pub(crate) fn own_ttl_of(&self, namespace: &str) -> Option<Duration> {
        self.namespace_ttls.get(&variable_name(namespace)).copied()
    }

    /// What stands before each key in Redis.
    pub(crate) fn full_prefix(&self) -> String {
        if self.key_prefix.is_empty() {
            String::new()
        } else {
            format!("{}:", self.key_prefix)
        }
    }
}

fn default_ttls() -> HashMap<String, Duration> {
    [
        ("SEARCH", 3600),
        ("LEAD", 7200),
        ("USER_PREFS", 86_400),
        ("ANALYTICS", 1800),
    ]
    .map(|(name, seconds)| (name.to_owned(), Duration::from_secs(seconds)))
    .into()
}

/// A namespace as it stands in the name of a variable.
pub(crate) fn variable_name(namespace: &str) -> String {
    namespace.to_uppercase().replace(['-', '.'], "_")
}

/// The variable that says how long the entries of a namespace are fresh.
pub(crate) fn ttl_variable(namespace: &str) -> String {
    let name = variable_name(namespace);
    match name.as_str() {
        "SEARCH" | "LEAD" => format!("{name}_CACHE_TTL"),
        "USER_PREFS" | "ANALYTICS" => format!("{name}_TTL"),
        _ => format!("CACHE_TTL_{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_of_zero_is_refused_with_its_name() {
        let said = Settings {
            max_entries: Some(0),
            ..Settings::default()
        };
        let error = Config::resolve(said, Settings::default()).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("`max_entries` (`MAX_MEMORY_SIZE`) is 0"),
            "{error}"
        );
    }

    #[test]
    fn e1_what_was_said_beats_the_environment_beats_the_default() {
        let environment = Settings {
            key_prefix: Some("env".into()),
            max_entries: Some(5),
            ..Settings::default()
        };
        let said = Settings {
            max_entries: Some(7),
            ..Settings::default()
        };
        let config = Config::resolve(said, environment).unwrap();
        assert_eq!(
            (config.key_prefix.as_str(), config.max_entries, config.batch_size),
            ("env", 7, 100)
        );
    }
}
