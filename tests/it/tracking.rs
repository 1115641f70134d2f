//! What other programs write, seen at once where client tracking is turned on (contract, section 7: T4).

use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::{Duration, Instant};

use cache_core::{CacheManager, cache_result, invalidate_cache};
use tests::{RedisServer, shared, unique_prefix};
use tokio::sync::Notify;

static RUNS: AtomicU32 = AtomicU32::new(0);

#[cache_result(key = "page:{id}", ttl = 60)]
async fn page(id: u32) -> u32 {
    RUNS.fetch_add(1, SeqCst);
    id
}

async fn tracked(server: &RedisServer, prefix: &str) -> CacheManager {
    let builder = CacheManager::builder().redis_url(server.url()).key_prefix(prefix);
    let builder = builder.client_tracking(true).op_budget(Duration::from_secs(5));
    builder.build().await.expect("a cache")
}

async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !is_so().await {
        assert!(started.elapsed() < Duration::from_secs(10), "still not: {what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Reads a key until memory serves it.
async fn in_memory(cache: &CacheManager, key: &str) {
    let before = cache.stats().total.memory_hits;
    until("memory serves it", async || {
        cache.get::<u32>(key).await.expect("a value");
        cache.stats().total.memory_hits > before
    })
    .await;
    // The word of its own write has come by now, or the read would have filled memory in vain.
    until("memory goes on serving it", async || {
        let before = cache.stats().total.memory_hits;
        tokio::time::sleep(Duration::from_millis(20)).await;
        cache.get::<u32>(key).await.expect("a value");
        cache.stats().total.memory_hits > before
    })
    .await;
}

#[tokio::test]
async fn t4_a_deletion_by_hand_takes_the_copy_in_memory_at_once() {
    let (server, prefix) = (shared(), unique_prefix());
    let cache = tracked(server, &prefix).await;
    for key in ["k", "other"] {
        cache.set(key, &1).await.expect("stored");
        in_memory(&cache, key).await;
    }
    server.cli(&["DEL", &format!("{prefix}:k")]);
    until("the copy is gone", async || cache.stats().entries == 1).await;
    assert_eq!(
        (cache.get::<u8>("k").await, cache.get("other").await),
        (None, Some(1))
    );
}

#[tokio::test]
async fn t4_what_a_process_has_loaded_comes_into_its_memory_with_the_next_read() {
    let (server, prefix) = (shared(), unique_prefix());
    let cache = tracked(server, &prefix).await;
    let before = RUNS.load(SeqCst);
    until("it is served by memory", async || {
        cache.scope(page(7)).await;
        cache.stats().total.memory_hits > 0
    })
    .await;
    assert_eq!(RUNS.load(SeqCst), before + 1);
    let hits = cache.stats().total.memory_hits;
    for _ in 0..20 {
        cache.scope(page(7)).await;
    }
    assert_eq!(cache.stats().total.memory_hits, hits + 20);
}

#[tokio::test]
async fn t4_the_emptying_of_a_server_empties_memory() {
    let server = RedisServer::start();
    let cache = tracked(&server, "app").await;
    cache.set("k", &1).await.expect("stored");
    in_memory(&cache, "k").await;
    server.cli(&["FLUSHALL"]);
    until("memory is empty", async || cache.stats().entries == 0).await;
}

#[tokio::test]
async fn t4_what_was_written_while_a_connection_was_lost_is_not_served() {
    let server = RedisServer::start();
    let cache = tracked(&server, "app").await;
    cache.set("k", &1).await.expect("stored");
    in_memory(&cache, "k").await;
    server.cli(&["CLIENT", "KILL", "TYPE", "normal"]);
    server.cli(&["DEL", "app:k"]);
    until("the copy is gone", async || cache.get::<u8>("k").await.is_none()).await;
    until("it is heard again", async || {
        cache.health().await.redis.is_some_and(|redis| redis.channel)
    })
    .await;
    cache.set("k", &2).await.expect("stored");
    in_memory(&cache, "k").await;
    server.cli(&["DEL", "app:k"]);
    until("the copy is gone again", async || cache.stats().entries == 0).await;
}

#[tokio::test]
async fn s2_two_tracked_processes_load_a_key_once() {
    static LOADS: AtomicU32 = AtomicU32::new(0);
    static GO: Notify = Notify::const_new();
    #[cache_result(key = "slow:{id}")]
    async fn slow(id: u32) -> u32 {
        if LOADS.fetch_add(1, SeqCst) == 0 {
            GO.notified().await;
        }
        id
    }
    let (server, prefix) = (shared(), unique_prefix());
    let (one, two) = (tracked(server, &prefix).await, tracked(server, &prefix).await);
    let calls = [&one, &two].map(|cache| {
        let cache = cache.clone();
        tokio::spawn(async move { cache.scope(slow(1)).await })
    });
    // One holds the key, and the other has said that it waits.
    let key = format!("{prefix}:slow:1");
    until("somebody waits", async || {
        server.cli(&["GETRANGE", &key, "41", "41"]) == "\u{3}"
    })
    .await;
    GO.notify_one();
    for call in calls {
        assert_eq!(call.await.expect("no panic"), 1);
    }
    assert_eq!(LOADS.load(SeqCst), 1);
    assert_eq!(server.cli(&["EXISTS", &key]), "1");
}

#[invalidate_cache("page:*")]
async fn print() {}

#[tokio::test]
async fn g2_invalidations_hold_where_writes_are_tracked() {
    let (server, prefix) = (shared(), unique_prefix());
    let (one, two) = (tracked(server, &prefix).await, tracked(server, &prefix).await);
    let runs = || RUNS.load(SeqCst);
    one.scope(page(100)).await;
    two.scope(page(100)).await;
    one.scope(print()).await;
    let before = runs();
    one.scope(page(100)).await;
    assert_eq!(runs(), before + 1);
    assert!(two.popular_searches().top(1).await.is_empty());
}
