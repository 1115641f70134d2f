//! Our attribute: on memory alone, and on memory with a Redis behind it.

use std::sync::OnceLock;
use std::time::Duration;

use cache_core::{CacheManager, cache_result};

use super::{Value, load};
use crate::data::{CAPACITY, KEYS};
use crate::hit::row::{Row, block_on, row, row_in};
use crate::redis_server::shared;

#[cache_result(key = "item:{id}:{name}", ttl = 3600)]
async fn plain(id: u64, name: &str) -> Value {
    let _ = name;
    load(id)
}

#[cache_result(key = "item:{id}:{name}", ttl = 3600, manager = tiered())]
async fn by_option(id: u64, name: &str) -> Value {
    let _ = name;
    load(id)
}

/// The manager with Redis behind memory. It must not ask Redis again while hits are timed.
fn tiered() -> &'static CacheManager {
    static MANAGER: OnceLock<CacheManager> = OnceLock::new();
    MANAGER.get_or_init(|| {
        let hour = Duration::from_secs(3_600);
        let manager = CacheManager::builder()
            .redis_url(shared().url())
            .key_prefix(module_path!())
            .max_entries(CAPACITY)
            .memory_ttl(hour);
        block_on(manager.build()).expect("the settings are right")
    })
}

/// Ours, filled.
pub fn rows() -> Vec<Row> {
    let memory = CacheManager::builder().max_entries(CAPACITY);
    block_on(memory.build())
        .expect("the settings are right")
        .install();
    // Made here, and not by the first call, which runs inside of the runtime.
    tiered();
    vec![
        row("ours: `#[cache_result]`, memory", plain),
        row("ours: manager = .., memory before Redis", by_option),
        row_in(tiered(), "ours: in a scope, memory before Redis", plain),
    ]
}

/// Panics unless all that was measured was hits in memory.
pub fn check() {
    let stats = tiered().stats().total;
    assert!(
        stats.loads + stats.redis_hits <= KEYS as u64,
        "these were no hits: {stats:?}"
    );
}
