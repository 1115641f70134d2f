//! Drives a cached function with a recorded trace of requests, and tells how often each eviction policy found what was
//! asked for: `cargo run --release -p examples --example replay -- web12.trace.xz --entries 300,3000 --policy lru,fifo`.

mod trace;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use cache_core::{BackendMode, CacheManager, EvictionPolicy, cache_result};
use clap::{Parser, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};

use crate::trace::Trace;

/// Replays a trace of requests against a cached function.
///
/// The formats are told apart by the end of the file's name: `.trace` holds big-endian 32-bit keys, one after another;
/// `.lis` holds lines `first count ignored request`, each for the keys first .. first + count. Either may be compressed,
/// as `.xz` or `.zst`.
#[derive(Parser)]
#[command(name = "replay")]
struct Options {
    /// The trace
    file: PathBuf,
    /// How many entries memory holds at most; one replay for each number
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "1000", value_parser = at_least_one)]
    entries: Vec<usize>,
    /// Which entry leaves when memory is full; one replay for each policy
    #[arg(long, value_enum, value_delimiter = ',', default_value = "lru")]
    policy: Vec<Policy>,
    /// The parts memory is cut into, a power of two, or `auto`. With 1 eviction is exact
    #[arg(long, default_value = "auto", value_parser = shards)]
    shards: Shards,
    /// Put this Redis behind memory. Keys begin with `replay:`, and are removed before and after
    #[arg(long, value_name = "URL")]
    redis: Option<String>,
    /// Stop after this many requests
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Policy {
    Lru,
    Lfu,
    Fifo,
    Random,
}

impl From<Policy> for EvictionPolicy {
    fn from(policy: Policy) -> Self {
        match policy {
            Policy::Lru => Self::Lru,
            Policy::Lfu => Self::Lfu,
            Policy::Fifo => Self::Fifo,
            Policy::Random => Self::Random,
        }
    }
}
