//! A master that dies, and one that is replaced on purpose, under load.
//!
//! Two managers stand for two processes. Both read and invalidate the same keys, whose source counts up; whoever reads a value
//! that was invalidated a while before has read a wrong one. Recovery is the time from the fault until both managers are
//! connected to the other server and hear each other there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

use cache_core::{CacheManager, RedisMode};
use tokio::runtime::Builder;
use tokio::task::JoinSet;

use crate::Options;
use crate::redis_sentinels::RedisSentinels;
use crate::redis_server::RedisServer;

const KEYS: usize = 64;
const READERS: usize = 8;
/// How long another process may take to hear of an invalidation.
const HEARD: Duration = Duration::from_millis(200);
const QUIET: Duration = Duration::from_secs(3);

/// One number of the source, and what is known of its invalidations.
#[derive(Default)]
struct Number {
    value: AtomicU64,
    /// The last one whose invalidation Redis has taken, and the same a while ago.
    taken: AtomicU64,
    heard: AtomicU64,
}

struct World {
    numbers: Vec<Number>,
    stop: AtomicBool,
    calls: AtomicU64,
    wrong: AtomicU64,
    slowest_us: AtomicU64,
}

/// Prints the table.
pub fn run(_: &Options) {
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(table());
}

async fn table() {
    println!("\n## Sentinel: failover under load\n");
    println!("`down-after-milliseconds` 500, `CACHE_DEGRADED_TTL` 0: what is not heard of is not served.\n");
    println!("| fault | recovery | calls | wrong values | slowest call |");
    println!("|---|---|---|---|---|");
    let group = RedisSentinels::start();
    let managers = [manager(&group).await, manager(&group).await];
    let [first, second] = group.servers();
    row("none", &managers, async || Duration::ZERO).await;
    row("the master is killed", &managers, async || {
        first.kill();
        recovery(&managers, second).await
    })
    .await;
    // The sentinels make a replica of it.
    first.restart();
    while !first.cli(&["ROLE"]).contains("connected") {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    while !group.sentinels().iter().all(|sentinel| {
        let replicas = sentinel.cli(&["SENTINEL", "REPLICAS", RedisSentinels::MASTER]);
        let lines: Vec<&str> = replicas.lines().collect();
        let field = |name: &str, value: &str| lines.windows(2).any(|pair| pair == [name, value]);
        field("port", &first.port().to_string()) && field("flags", "slave")
    }) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    row("`SENTINEL FAILOVER`", &managers, async || {
        while group.sentinels()[0].cli(&["SENTINEL", "FAILOVER", RedisSentinels::MASTER]) != "OK" {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        recovery(&managers, first).await
    })
    .await;
}

async fn manager(group: &RedisSentinels) -> CacheManager {
    CacheManager::builder()
        .redis_url(group.url())
        .redis_mode(RedisMode::Sentinel)
        .redis_sentinel_master(RedisSentinels::MASTER)
        .degraded_ttl(Duration::ZERO)
        .build()
        .await
        .expect("a cache")
}

/// How long it takes until both use this server.
async fn recovery(managers: &[CacheManager; 2], server: &RedisServer) -> Duration {
    let started = Instant::now();
    let port = server.port().to_string();
    for manager in managers {
        while !manager.health().await.redis.is_some_and(|redis| {
            let there = redis.nodes.iter().all(|node| node.address.ends_with(&port));
            there && redis.connected && redis.channel
        }) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
    started.elapsed()
}

async fn row(fault: &str, managers: &[CacheManager; 2], happen: impl AsyncFnOnce() -> Duration) {
    let world = Arc::new(World {
        numbers: (0..KEYS).map(|_| Number::default()).collect(),
        stop: AtomicBool::new(false),
        calls: AtomicU64::new(0),
        wrong: AtomicU64::new(0),
        slowest_us: AtomicU64::new(0),
    });
    let mut tasks = JoinSet::new();
    for (process, manager) in managers.iter().enumerate() {
        for task in 0..READERS {
            tasks.spawn(read(Arc::clone(&world), manager.clone(), task));
        }
        tasks.spawn(write(Arc::clone(&world), manager.clone(), process));
    }
    tasks.spawn(remember(Arc::clone(&world)));
    tokio::time::sleep(QUIET).await;
    let recovery = happen().await;
    tokio::time::sleep(QUIET).await;
    world.stop.store(true, SeqCst);
    tasks.join_all().await;
    for manager in managers {
        manager.clear().await;
    }
    println!(
        "| {fault} | {} ms | {} | {} | {:.1} ms |",
        recovery.as_millis(),
        world.calls.load(SeqCst),
        world.wrong.load(SeqCst),
        world.slowest_us.load(SeqCst) as f64 / 1000.0
    );
}

async fn read(world: Arc<World>, manager: CacheManager, task: usize) {
    let mut index = task * 7;
    while !world.stop.load(SeqCst) {
        index = (index + 13) % KEYS;
        let number = &world.numbers[index];
        let least = number.heard.load(SeqCst);
        let started = Instant::now();
        let load = || async { number.value.load(SeqCst) };
        let fetch = manager.get_or_fetch(format!("number:{index}"), || async {
            Ok::<_, String>(load().await)
        });
        let value = fetch.await.expect("the source does not fail");
        let took = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        world.slowest_us.fetch_max(took, SeqCst);
        world.calls.fetch_add(1, SeqCst);
        world.wrong.fetch_add(u64::from(value < least), SeqCst);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Each process writes numbers of its own.
async fn write(world: Arc<World>, manager: CacheManager, process: usize) {
    let mut index = process;
    while !world.stop.load(SeqCst) {
        index = (index + 2) % KEYS;
        let number = &world.numbers[index];
        let value = number.value.fetch_add(1, SeqCst) + 1;
        manager.delete(format!("number:{index}")).await;
        if manager.health().await.pending_invalidations == 0 {
            number.taken.fetch_max(value, SeqCst);
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// What Redis has taken so long ago is to be known by everybody.
async fn remember(world: Arc<World>) {
    while !world.stop.load(SeqCst) {
        let taken: Vec<u64> = world.numbers.iter().map(|it| it.taken.load(SeqCst)).collect();
        tokio::time::sleep(HEARD).await;
        for (number, taken) in world.numbers.iter().zip(taken) {
            number.heard.store(taken, SeqCst);
        }
    }
}
