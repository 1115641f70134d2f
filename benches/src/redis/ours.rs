//! Our attribute with Redis alone: every hit asks it.

use std::sync::OnceLock;

use cache_core::{BackendMode, CacheManager, cache_result};
use tokio::runtime::Runtime;

use super::{SERVER, Value, candidate, load};
use crate::data::ARGUMENTS;
use crate::table::Candidate;

static DEFAULT: OnceLock<CacheManager> = OnceLock::new();
static UNCOMPRESSED: OnceLock<CacheManager> = OnceLock::new();
static ALONE: OnceLock<CacheManager> = OnceLock::new();

#[cache_result(key = "item:{id}:{name}", ttl = 3600, manager = DEFAULT.get().expect("made at start"))]
async fn compressed(id: u64, name: &str) -> Value {
    let _ = name;
    load(id)
}

#[cache_result(key = "item:{id}:{name}", ttl = 3600, manager = UNCOMPRESSED.get().expect("made at start"))]
async fn uncompressed(id: u64, name: &str) -> Value {
    let _ = name;
    load(id)
}

#[cache_result(key = "item:{id}:{name}", ttl = 3600, manager = ALONE.get().expect("made at start"))]
async fn alone(id: u64, name: &str) -> Value {
    let _ = name;
    load(id)
}

/// Ours, filled.
pub fn candidates(runtime: &'static Runtime, tasks: u64) -> Vec<Candidate<'static>> {
    let manager = || {
        CacheManager::builder()
            .redis_url(SERVER.url())
            .backend(BackendMode::Redis)
    };
    let make = |builder: cache_core::CacheManagerBuilder| {
        runtime.block_on(builder.build()).expect("the settings are right")
    };
    DEFAULT.get_or_init(|| make(manager().key_prefix("a")));
    UNCOMPRESSED.get_or_init(|| make(manager().key_prefix("b").compression_threshold(0)));
    ALONE.get_or_init(|| {
        make(
            manager()
                .key_prefix("c")
                .compression_threshold(0)
                .gather_reads(false),
        )
    });
    vec![
        candidate(runtime, tasks, "ours: `#[cache_result]`", |at| {
            let (id, name) = &ARGUMENTS[at];
            compressed(*id, name)
        }),
        candidate(runtime, tasks, "ours: compression off", |at| {
            let (id, name) = &ARGUMENTS[at];
            uncompressed(*id, name)
        }),
        candidate(runtime, tasks, "ours: compression off, each read a GET", |at| {
            let (id, name) = &ARGUMENTS[at];
            alone(*id, name)
        }),
    ]
}
