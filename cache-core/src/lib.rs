#![doc = include_str!("../../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(
    not(feature = "redis"),
    allow(
        dead_code,
        unused_imports,
        clippy::unused_async,
        clippy::unnecessary_wraps,
        reason = "some of what serves the Redis tier has nothing to do or to wait for without it"
    )
)]

#[allow(
    unused_extern_crates,
    reason = "expansions inside of this crate name it from outside"
)]
extern crate self as cache_core;

#[doc(hidden)]
pub mod __private;
#[cfg(feature = "axum")]
pub mod axum;
pub mod bound;
mod catalogue;
mod clock;
mod codec;
mod config;
mod domain;
mod each;
mod engine;
mod entry;
mod error;
mod flight;
mod generations;
mod glob;
pub mod guide;
mod handle;
mod key;
mod load;
mod manager;
mod memory;
#[cfg(feature = "metrics")]
pub mod metrics;
mod numbered;
mod planted;
mod remote;
#[cfg(any(feature = "axum", feature = "metrics"))]
mod series;
#[cfg(all(test, feature = "redis"))]
#[expect(clippy::unwrap_used, clippy::panic, reason = "all of it is a test")]
mod sim;
mod stats;
mod sync;
mod typed;

pub use catalogue::{Catalogue, Finding, Graph, Severity, catalogue};
pub use config::{BackendMode, EvictionPolicy, RedisMode};
pub use domain::{Campaigns, Namespace, Search};
pub use engine::Tier;
pub use engine::info::{FunctionInfo, TargetInfo};
pub use error::{CacheError, SharedError};
pub use handle::{Entry, refresh, uncached};
pub use key::{CacheKey, Integer, Key, KeyWriter};
pub use manager::{
    CacheManager, CacheManagerBuilder, Fetch, Health, HealthStatus, NodeHealth, PopularSearches, RedisHealth,
    Set, SetMany, Warm,
};
pub use remote::{BackendError, CacheBackend, Change};
pub use stats::{FunctionStats, Stats};
pub use typed::{CacheNamespace, Typed};
#[cfg(feature = "uuid")]
pub use typed::{UserIdToUuid, UserUuidToId};

#[cfg(feature = "axum")]
pub use cache_macros::cache_response;
pub use cache_macros::{
    CacheKey, cache_impl, cache_lead_data, cache_result, cache_search_results, invalidate_cache,
};
#[cfg(feature = "macros")]
pub use cache_macros::{entry, invalidate, key};

/// Whether a key matches a glob pattern, with the meaning that Redis gives to `* ? [a-c] [^a] \`. For stores of your
/// own; see [`CacheBackend`].
pub fn glob_matches(pattern: &str, key: &str) -> bool {
    glob::matches(pattern.as_bytes(), key.as_bytes())
}
