//! Reads the settings from environment variables. Every variable has one row in [`set`].
//! Invariant: a message names the variable, what it held unless that may be a secret, and what it takes.

use std::collections::BTreeMap;
use std::sync::Once;
use std::time::Duration;

use super::{BackendMode, EvictionPolicy, RedisMode, Secret, Settings, duration, redact};
use crate::CacheError;

/// The variables of the process, or of a test.
pub(crate) type Environment = BTreeMap<String, String>;

const NAMES: [&str; 32] = [
    "CACHE_ENABLED",
    "CACHE_BACKEND",
    "REDIS_URL",
    "REDIS_HOST",
    "REDIS_PORT",
    "REDIS_DB",
    "REDIS_USERNAME",
    "REDIS_PASSWORD",
    "REDIS_MODE",
    "REDIS_SENTINEL_MASTER",
    "REDIS_MAX_CONNECTIONS",
    "REDIS_TIMEOUT",
    "CACHE_OP_BUDGET",
    "CACHE_MEMORY_TTL",
    "CACHE_DEGRADED_TTL",
    "CACHE_LEASE",
    "CACHE_STALE_THROTTLE",
    "CACHE_CLIENT_TRACKING",
    "CACHE_KEY_PREFIX",
    "CACHE_DEFAULT_TTL",
    "CACHE_TTL",
    "SEARCH_CACHE_TTL",
    "LEAD_CACHE_TTL",
    "USER_PREFS_TTL",
    "ANALYTICS_TTL",
    "MAX_MEMORY_SIZE",
    "CACHE_MAX_BYTES",
    "CACHE_EVICTION",
    "COMPRESSION_THRESHOLD",
    "MAX_SEARCH_RESULTS",
    "INDEXING_BATCH_SIZE",
    "CACHE_TTL_",
];

/// The variables of this process.
pub(crate) fn process() -> Environment {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())))
        .collect()
}

/// The settings that `environment` holds. An empty variable counts as not set; only a prefix can be empty.
pub(crate) fn read(environment: &Environment) -> Result<Settings, CacheError> {
    let mut settings = Settings::default();
    // `CACHE_DEFAULT_TTL` is the newer name of the two, and comes later in this order.
    if let Some(value) = environment.get("CACHE_TTL").filter(|value| !value.is_empty()) {
        settings.default_ttl = Some(ttl("CACHE_TTL", value)?);
    }
    for (name, value) in environment {
        if (!value.is_empty() || name == "CACHE_KEY_PREFIX") && name != "CACHE_TTL" {
            set(&mut settings, name, value)?;
        }
    }
    Ok(settings)
}

fn set(settings: &mut Settings, name: &str, value: &str) -> Result<(), CacheError> {
    match name {
        "CACHE_ENABLED" => settings.enabled = Some(boolean(name, value)?),
        "CACHE_BACKEND" => settings.backend = Some(backend(name, value)?),
        "REDIS_URL" => settings.redis_url = Some(Secret(value.to_owned())),
        "REDIS_HOST" => settings.redis_host = Some(value.to_owned()),
        "REDIS_PORT" => settings.redis_port = Some(number(name, value, "a port from 0 to 65535")?),
        "REDIS_DB" => {
            settings.redis_db = Some(i64::from(number::<u32>(name, value, "the number of a database")?));
        }
        "REDIS_USERNAME" => settings.redis_username = Some(value.to_owned()),
        "REDIS_PASSWORD" => settings.redis_password = Some(Secret(value.to_owned())),
        "REDIS_MODE" => settings.redis_mode = Some(mode(name, value)?),
        "REDIS_SENTINEL_MASTER" => settings.redis_sentinel_master = Some(value.to_owned()),
        "REDIS_MAX_CONNECTIONS" => settings.redis_max_connections = Some(count(name, value)?),
        "CACHE_CLIENT_TRACKING" => settings.client_tracking = Some(boolean(name, value)?),
        "REDIS_TIMEOUT" => settings.redis_timeout = Some(ttl(name, value)?),
        "CACHE_OP_BUDGET" => settings.op_budget = Some(budget(name, value)?),
        "CACHE_MEMORY_TTL" => settings.memory_ttl = Some(ttl(name, value)?),
        "CACHE_DEGRADED_TTL" => settings.degraded_ttl = Some(span(name, value)?),
        "CACHE_LEASE" => settings.lease = Some(ttl(name, value)?),
        "CACHE_STALE_THROTTLE" => settings.stale_throttle = Some(span(name, value)?),
        "CACHE_KEY_PREFIX" => settings.key_prefix = Some(value.to_owned()),
        "CACHE_DEFAULT_TTL" => settings.default_ttl = Some(ttl(name, value)?),
        "SEARCH_CACHE_TTL" => namespace(settings, "SEARCH", ttl(name, value)?),
        "LEAD_CACHE_TTL" => namespace(settings, "LEAD", ttl(name, value)?),
        "USER_PREFS_TTL" => namespace(settings, "USER_PREFS", ttl(name, value)?),
        "ANALYTICS_TTL" => namespace(settings, "ANALYTICS", ttl(name, value)?),
        "MAX_MEMORY_SIZE" => settings.max_entries = Some(count(name, value)?),
        "CACHE_MAX_BYTES" => settings.max_bytes = Some(number(name, value, "a number of bytes")?),
        "CACHE_EVICTION" => settings.eviction = Some(eviction(name, value)?),
        "COMPRESSION_THRESHOLD" => {
            settings.compression_threshold =
                Some(number(name, value, "a number of bytes, 0 to turn it off")?);
        }
        "MAX_SEARCH_RESULTS" => settings.max_search_results = Some(count(name, value)?),
        "INDEXING_BATCH_SIZE" => settings.batch_size = Some(count(name, value)?),
        _ => {
            if let Some(of) = name.strip_prefix("CACHE_TTL_").filter(|of| !of.is_empty()) {
                namespace(settings, of, ttl(name, value)?);
            }
        }
    }
    Ok(())
}

fn namespace(settings: &mut Settings, name: &str, ttl: Duration) {
    settings.namespace_ttls.insert(name.to_owned(), ttl);
}

fn refuse<T>(name: &str, value: &str, takes: &str) -> Result<T, CacheError> {
    // A secret that landed in the wrong variable is most likely part of an address.
    let value = if value.contains('@') {
        redact(value)
    } else {
        value.to_owned()
    };
    Err(CacheError::Config(format!(
        "`{name}` is `{value}`; it takes {takes}"
    )))
}

fn number<T: std::str::FromStr>(name: &str, value: &str, takes: &str) -> Result<T, CacheError> {
    value.trim().parse().or_else(|_| refuse(name, value, takes))
}

fn count(name: &str, value: &str) -> Result<usize, CacheError> {
    match number(name, value, "a whole number of at least 1")? {
        0 => refuse(name, value, "a whole number of at least 1"),
        count => Ok(count),
    }
}

/// A duration that may be zero.
fn span(name: &str, value: &str) -> Result<Duration, CacheError> {
    duration::parse(value).map_or_else(|| refuse(name, value, "seconds, or a duration such as `30m`"), Ok)
}

/// A duration longer than zero.
fn ttl(name: &str, value: &str) -> Result<Duration, CacheError> {
    let takes = "seconds greater than 0, or a duration such as `30m`";
    match duration::parse(value) {
        Some(duration) if !duration.is_zero() => Ok(duration),
        _ => refuse(name, value, takes),
    }
}

/// A bare number is milliseconds here.
fn budget(name: &str, value: &str) -> Result<Duration, CacheError> {
    let parsed = value
        .trim()
        .parse::<u64>()
        .ok()
        .map(Duration::from_millis)
        .or_else(|| duration::parse(value));
    match parsed {
        Some(duration) if !duration.is_zero() => Ok(duration),
        _ => refuse(
            name,
            value,
            "milliseconds greater than 0, or a duration such as `50ms`",
        ),
    }
}

fn boolean(name: &str, value: &str) -> Result<bool, CacheError> {
    match value.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => refuse(name, value, "`true` or `false`"),
    }
}

fn backend(name: &str, value: &str) -> Result<BackendMode, CacheError> {
    match value.trim().to_ascii_lowercase().as_str() {
        "memory" => Ok(BackendMode::Memory),
        "redis" => Ok(BackendMode::Redis),
        "tiered" => Ok(BackendMode::Tiered),
        _ => refuse(name, value, "`memory`, `redis` or `tiered`"),
    }
}

fn mode(name: &str, value: &str) -> Result<RedisMode, CacheError> {
    match value.trim().to_ascii_lowercase().as_str() {
        "single" => Ok(RedisMode::Single),
        "cluster" => Ok(RedisMode::Cluster),
        "sentinel" => Ok(RedisMode::Sentinel),
        _ => refuse(name, value, "`single`, `cluster` or `sentinel`"),
    }
}

fn eviction(name: &str, value: &str) -> Result<EvictionPolicy, CacheError> {
    match value.trim().to_ascii_lowercase().as_str() {
        "lru" => Ok(EvictionPolicy::Lru),
        "lfu" => Ok(EvictionPolicy::Lfu),
        "fifo" => Ok(EvictionPolicy::Fifo),
        "random" => Ok(EvictionPolicy::Random),
        _ => refuse(name, value, "`lru`, `lfu`, `fifo` or `random`"),
    }
}

/// Warns, once in a process, about variables that are most likely misspelt.
pub(crate) fn warn_about_misspelt(environment: &Environment) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        for (name, meant) in misspelt(environment) {
            tracing::warn!(
                variable = name,
                "`{name}` is no variable of the cache and has no effect; did you mean `{meant}`?"
            );
        }
    });
}

/// Variables that look like one of ours but are none, each with the one that it looks like.
fn misspelt(environment: &Environment) -> Vec<(&str, &'static str)> {
    environment
        .keys()
        .filter(|name| !NAMES.contains(&name.as_str()) && !name.starts_with("CACHE_TTL_"))
        .filter_map(|name| {
            let near = NAMES
                .iter()
                .filter(|known| !known.ends_with('_'))
                .map(|known| (distance(name, known), *known))
                .min()?;
            (near.0 <= 2 && name.len() > 5).then_some((name.as_str(), near.1))
        })
        .collect()
}

/// Edits between two names; a swap of neighbours is one.
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len().abs_diff(b.len()) > 2 {
        return usize::MAX;
    }
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    rows[0] = (0..=b.len()).collect();
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let replace = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replace.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> Environment {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn e2_a_value_that_cannot_be_read_is_named_with_what_it_takes() {
        for (name, value, takes) in [
            ("CACHE_DEFAULT_TTL", "soon", "seconds"),
            ("CACHE_DEFAULT_TTL", "-5", "seconds"),
            ("CACHE_DEFAULT_TTL", "0", "greater than 0"),
            ("CACHE_TTL_ORDERS", "x", "seconds"),
            ("CACHE_ENABLED", "maybe", "`true` or `false`"),
            ("CACHE_BACKEND", "disk", "`memory`, `redis` or `tiered`"),
            ("REDIS_PORT", "99999", "a port"),
            ("MAX_MEMORY_SIZE", "0", "at least 1"),
            ("CACHE_EVICTION", "arc", "`lru`"),
            ("CACHE_OP_BUDGET", "0", "milliseconds"),
        ] {
            let error = read(&environment(&[(name, value)])).unwrap_err().to_string();
            assert!(
                error.contains(name) && error.contains(value) && error.contains(takes),
                "{error}"
            );
        }
    }

    #[test]
    fn the_budget_is_in_milliseconds_and_ttls_in_seconds() {
        let settings = read(&environment(&[
            ("CACHE_OP_BUDGET", "50"),
            ("CACHE_TTL", "2h5m"),
            ("CACHE_TTL_ORDERS", "7"),
        ]))
        .unwrap();
        assert_eq!(settings.op_budget, Some(Duration::from_millis(50)));
        assert_eq!(settings.default_ttl, Some(Duration::from_secs(7500)));
        assert_eq!(settings.namespace_ttls["ORDERS"], Duration::from_secs(7));
    }

    #[test]
    fn e4_a_misspelt_variable_is_found_with_what_was_meant() {
        let environment = environment(&[
            ("CACHE_DEFUALT_TTL", "5"),
            ("CACHE_TTL_ORDERS", "5"),
            ("REDIS_URL", ""),
            ("CACHE_DIR", "x"),
        ]);
        assert_eq!(
            misspelt(&environment),
            [("CACHE_DEFUALT_TTL", "CACHE_DEFAULT_TTL")]
        );
    }
}
