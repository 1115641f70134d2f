//! Drives a cached function with a recorded trace of requests, and tells how often each eviction policy had what was
//! asked for: `cargo run --release -p examples --example replay -- web12.trace.xz --entries 300,3000 --policy lru,fifo`.

mod trace;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use cache_core::{BackendMode, CacheManager, EvictionPolicy, cache_result};
use clap::{Parser, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};

use crate::trace::Trace;

/// The function that is cached: one block of a disk. Its TTL is longer than a replay, so that blocks leave memory by
/// eviction alone.
#[cache_result(key = "block:{id}", ttl = "1d", skip(disk))]
async fn read_block(disk: &Disk, id: u64) -> u64 {
    disk.reads.fetch_add(1, Ordering::Relaxed);
    id
}

#[derive(Default)]
struct Disk {
    reads: AtomicU64,
}

/// Replay a trace of requests against a cached function, once for each policy and size
///
/// A file `.trace` holds 32-bit big-endian keys, one after another. A file `.lis` holds lines `first count ignored
/// request`, each for the keys from `first` up to `first + count`. Both may be compressed, as `.xz` or `.zst`.
#[derive(Parser)]
#[command(name = "replay")]
struct Options {
    /// The trace
    file: PathBuf,
    /// How many entries memory has room for
    #[arg(long, value_name = "N,..", value_delimiter = ',', default_value = "1000")]
    entries: Vec<usize>,
    /// Which entry leaves when memory is full
    #[arg(long, value_name = "NAME,..", value_delimiter = ',', default_value = "lru")]
    policy: Vec<Policy>,
    /// How many parts memory is cut into: `auto`, or a power of two; with 1, eviction is exact
    #[arg(long, value_name = "N", default_value = "auto", value_parser = parse_shards)]
    shards: Shards,
    /// A Redis to put behind memory; what is under the prefix `replay:` there is removed before and after
    #[arg(long, value_name = "URL")]
    redis: Option<String>,
    /// Stop after this many requests
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
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

#[derive(Debug, Clone, Copy)]
enum Shards {
    Auto,
    Exactly(usize),
}

fn parse_shards(text: &str) -> Result<Shards, &'static str> {
    match text {
        "auto" => Ok(Shards::Auto),
        number => number
            .parse()
            .map(Shards::Exactly)
            .map_err(|_| "it takes `auto` or a power of two"),
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: &Options) -> anyhow::Result<()> {
    let trace =
        Trace::read(&options.file).with_context(|| format!("cannot read `{}`", options.file.display()))?;

    let mut out = io::stdout();
    writeln!(
        out,
        "policy  entries  requests      hits  in Redis     loads  hit ratio  requests/s"
    )?;
    for &policy in &options.policy {
        for &entries in &options.entries {
            let cache = manager(options, policy, entries).await?;
            cache.clear().await;
            let Outcome {
                requests,
                loads,
                time,
            } = cache.scope(replay(&trace, options.limit)).await;
            let counted = cache.stats().total;
            cache.clear().await;
            cache.close().await;

            let name = format!("{policy:?}").to_lowercase();
            let hits = counted.memory_hits + counted.redis_hits;
            let ratio = 100.0 * hits as f64 / requests.max(1) as f64;
            let speed = requests as f64 / time.as_secs_f64();
            writeln!(
                out,
                "{name:6} {entries:>8} {requests:>9} {hits:>9} {:>9} {loads:>9} {ratio:>9.2}% {speed:>11.0}",
                counted.redis_hits
            )?;
        }
    }
    Ok(())
}

/// A cache of the wanted size and policy.
async fn manager(options: &Options, policy: Policy, entries: usize) -> anyhow::Result<CacheManager> {
    let mut builder = CacheManager::builder()
        .key_prefix("replay")
        .max_entries(entries)
        .eviction(policy.into());
    if let Shards::Exactly(shards) = options.shards {
        builder = builder.shards(shards);
    }
    let Some(url) = &options.redis else {
        return Ok(builder.backend(BackendMode::Memory).build().await?);
    };
    let cache = builder.redis_url(url).build().await?;
    // The cache would do without it; but then the figures would not be those of Redis.
    if let Some(redis) = cache.health().await.redis
        && !redis.connected
    {
        bail!(
            "Redis cannot be reached: {}",
            redis.last_error.unwrap_or_default()
        );
    }
    Ok(cache)
}

struct Outcome {
    requests: u64,
    loads: u64,
    time: Duration,
}

/// Asks for every block of the trace, one after another.
async fn replay(trace: &Trace, limit: Option<u64>) -> Outcome {
    let requests = trace.len().min(limit.unwrap_or(u64::MAX));
    let progress = progress(requests);
    let disk = Disk::default();
    let start = Instant::now();
    for (done, id) in (0..requests).zip(trace.keys()) {
        read_block(&disk, id).await;
        if done % 1024 == 0 {
            progress.set_position(done);
        }
    }
    let time = start.elapsed();
    progress.finish_and_clear();
    Outcome {
        requests,
        loads: disk.reads.into_inner(),
        time,
    }
}

/// A bar on stderr, which is not drawn where that is no terminal.
fn progress(requests: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {human_pos} of {human_len} requests, {eta} left");
    ProgressBar::new(requests).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

#[cfg(test)]
mod tests {
    #[test]
    fn its_functions_fit_together() {
        cache_core::catalogue().assert_sound();
    }
}
