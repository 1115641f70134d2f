//! What it costs to invalidate many entries at once.
//!
//! The same entries are invalidated by a tag, by their namespace, and by a pattern that the server has to look for, which
//! is what is usually written by hand. Commands are those that the server counted.

use std::time::{Duration, Instant};

use cache_core::{BackendMode, CacheManager, invalidate_cache};
use tokio::runtime::Builder;

use crate::Options;
use crate::redis_server::RedisServer;

const SIZES: [u32; 3] = [1_000, 100_000, 1_000_000];
/// How often each invalidation is repeated; the median is shown.
const TIMES: usize = 31;

#[invalidate_cache("many:*", manager = cache)]
async fn forget_all(cache: &CacheManager) {}

/// Prints the table.
pub fn run(_: &Options) {
    println!("\n## Invalidating many entries\n");
    println!(
        "| entries | memory: tag | namespace | Redis: tag | commands | namespace | commands | pattern | commands |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    for size in SIZES {
        runtime.block_on(row(size));
    }
}

async fn row(size: u32) {
    let memory = CacheManager::builder()
        .backend(BackendMode::Memory)
        .max_entries(size as usize)
        .build()
        .await
        .expect("a cache");
    fill(&memory, size).await;
    let memory_tag = median(async || memory.invalidate_tag("all").await).await;
    fill(&memory, size).await;
    let memory_namespace = median(async || forget_all(&memory).await).await;

    let server = RedisServer::start();
    let redis = CacheManager::builder()
        .redis_url(server.url())
        .backend(BackendMode::Redis)
        .build()
        .await
        .expect("a cache");
    fill(&redis, size).await;
    let tag = counted(&server, async || redis.invalidate_tag("all").await).await;
    let namespace = counted(&server, async || forget_all(&redis).await).await;
    fill(&redis, size).await;
    let before = commands(&server);
    let started = Instant::now();
    assert_eq!(redis.invalidate("many:*").await, u64::from(size));
    let (pattern, pattern_commands) = (started.elapsed(), commands(&server) - before - 1);
    println!(
        "| {size} | {memory_tag:.0?} | {memory_namespace:.0?} | {:.0?} | {} | {:.0?} | {} | {pattern:.1?} | {pattern_commands} |",
        tag.0, tag.1, namespace.0, namespace.1
    );
}

/// Stores so many entries with one tag.
async fn fill(cache: &CacheManager, size: u32) {
    let mut tasks = tokio::task::JoinSet::new();
    for part in 0..16 {
        let cache = cache.clone();
        tasks.spawn(async move {
            for n in (part..size).step_by(16) {
                cache
                    .set(format!("many:{n}"), &n)
                    .tags(["all"])
                    .ttl(Duration::from_secs(86_400))
                    .await
                    .expect("stored");
            }
        });
    }
    tasks.join_all().await;
}

async fn median(invalidate: impl AsyncFn()) -> Duration {
    let mut times = Vec::with_capacity(TIMES);
    for _ in 0..TIMES {
        let started = Instant::now();
        invalidate().await;
        times.push(started.elapsed());
    }
    times.sort_unstable();
    times[TIMES / 2]
}

/// The time and the number of commands of an invalidation.
async fn counted(server: &RedisServer, invalidate: impl AsyncFn()) -> (Duration, u64) {
    let before = commands(server);
    let time = median(invalidate).await;
    let per_time = (commands(server) - before - 1) / TIMES as u64;
    (time, per_time)
}

/// The commands that came over connections, the one that asks included.
fn commands(server: &RedisServer) -> u64 {
    let info = server.cli(&["INFO", "commandstats"]);
    let calls = |name: &str| {
        let line = info
            .lines()
            .find(|line| line.starts_with(&format!("cmdstat_{name}:")));
        let calls = line.and_then(|line| line.split(['=', ',']).nth(1)?.parse::<u64>().ok());
        calls.unwrap_or(0)
    };
    ["evalsha", "eval", "scan", "info"].into_iter().map(calls).sum()
}
