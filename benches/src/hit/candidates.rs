//! The candidates, for the `Value` and the `load` of the module that includes this file.

use std::convert::Infallible;
use std::sync::LazyLock;
use std::time::Duration;

use cached::macros::{cached, concurrent_cached};
use hashbrown::HashMap;

use super::{Value, load};
use crate::data::{ARGUMENTS, BorrowedKey, CAPACITY};
use crate::hit::row::{FLOOR, Row, row};

#[cfg(feature = "ours")]
#[path = "ours.rs"]
mod ours;

type Key = (u64, String);

const HOUR: Duration = Duration::from_secs(3_600);

async fn floor(id: u64, name: &str) -> Value {
    static MAP: LazyLock<HashMap<Key, Value, ahash::RandomState>> =
        LazyLock::new(|| ARGUMENTS.iter().map(|key| (key.clone(), load(key.0))).collect());
    MAP.get(&BorrowedKey(id, name))
        .expect("every key is there")
        .clone()
}

#[cached]
async fn cached_default(id: u64, _name: String) -> Value {
    load(id)
}

#[cached(max_size = 40_000, ttl_secs = 3600)]
async fn cached_bounded(id: u64, _name: String) -> Value {
    load(id)
}

#[concurrent_cached]
async fn concurrent_default(id: u64, _name: String) -> Value {
    load(id)
}

#[concurrent_cached(key = "(u64, String)", convert = { (id, name.to_owned()) })]
async fn concurrent_converted(id: u64, name: &str) -> Value {
    let _ = name;
    load(id)
}

#[concurrent_cached(max_size = 40_000, ttl_secs = 3600)]
async fn concurrent_bounded(id: u64, _name: String) -> Value {
    load(id)
}

async fn moka_owned(id: u64, name: &str) -> Value {
    static CACHE: LazyLock<moka::future::Cache<Key, Value>> = LazyLock::new(|| {
        moka::future::Cache::builder()
            .max_capacity(CAPACITY as u64)
            .time_to_live(HOUR)
            .build()
    });
    let loaded = CACHE.try_get_with((id, name.to_owned()), async { Ok::<_, Infallible>(load(id)) });
    loaded.await.expect("infallible")
}

async fn quick_borrowed(id: u64, name: &str) -> Value {
    static CACHE: LazyLock<quick_cache::sync::Cache<Key, Value>> =
        LazyLock::new(|| quick_cache::sync::Cache::new(CAPACITY));
    if let Some(value) = CACHE.get(&BorrowedKey(id, name)) {
        return value;
    }
    let key = (id, name.to_owned());
    CACHE
        .get_or_insert_async(&key, async { Ok::<_, Infallible>(load(id)) })
        .await
        .expect("infallible")
}

/// All of them, filled.
pub fn rows() -> Vec<Row> {
    let mut rows = vec![
        row("nothing but the loop", |id, name| async move { (id, name) }),
        row(FLOOR, floor),
    ];
    #[cfg(feature = "ours")]
    rows.extend(ours::rows());
    rows.extend([
        row("cached: `#[cached]`", |id, name| {
            cached_default(id, name.to_owned())
        }),
        row("cached: `#[cached]` max_size, ttl", |id, name| {
            cached_bounded(id, name.to_owned())
        }),
        row("cached: `#[concurrent_cached]`", |id, name| {
            concurrent_default(id, name.to_owned())
        }),
        row(
            "cached: `#[concurrent_cached]` key, convert",
            concurrent_converted,
        ),
        row("cached: `#[concurrent_cached]` max_size, ttl", |id, name| {
            concurrent_bounded(id, name.to_owned())
        }),
        row("moka by hand: try_get_with, ttl", moka_owned),
        row("quick_cache by hand: borrowed key, no ttl", quick_borrowed),
    ]);
    rows
}

/// Panics unless all that was measured was hits, as far as a candidate can say.
pub fn check() {
    #[cfg(feature = "ours")]
    ours::check();
}
