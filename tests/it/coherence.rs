//! How processes hear of each other's invalidations, and notice that they do not (contract, section 7: L1, L2).

use std::time::{Duration, Instant};

use cache_core::CacheManager;
use tests::{RedisServer, shared, unique_prefix};

async fn tiered(server: &RedisServer, prefix: &str) -> CacheManager {
    let builder = CacheManager::builder().redis_url(server.url()).key_prefix(prefix);
    // A busy machine is no reason to send anything twice.
    let builder = builder.op_budget(Duration::from_secs(5));
    builder.build().await.expect("a cache")
}

async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !is_so().await {
        assert!(started.elapsed() < Duration::from_secs(10), "still not: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn gaps(cache: &CacheManager) -> u64 {
    cache.health().await.redis.map_or(0, |redis| redis.gaps)
}

/// A message of a process that this test plays.
fn publish(server: &RedisServer, prefix: &str, number: u64, says: &str) {
    let message = format!("1 00000000000000ff {number} {says}");
    server.cli(&["PUBLISH", &format!("{prefix}:%invalidations"), &message]);
}

#[tokio::test]
async fn l2_a_message_that_was_lost_is_noticed_by_its_number() {
    let (server, prefix) = (shared(), unique_prefix());
    let cache = tiered(server, &prefix).await;
    publish(server, &prefix, 1, "k one");
    cache.set("k", &1).await.expect("stored");
    publish(server, &prefix, 2, "k two");
    // The third was about `k`.
    publish(server, &prefix, 4, "k four");
    let kept = cache.stats().entries;
    until("memory is dropped", async || cache.stats().entries == 0).await;
    assert_eq!((kept, gaps(&cache).await), (1, 1));
    // What is in Redis is of use again.
    assert_eq!(cache.get("k").await, Some(1));
}

#[tokio::test]
async fn l2_a_last_message_that_was_lost_is_noticed_by_the_beat() {
    let (server, prefix) = (shared(), unique_prefix());
    let cache = tiered(server, &prefix).await;
    publish(server, &prefix, 7, "h ");
    cache.set("k", &1).await.expect("stored");
    publish(server, &prefix, 8, "h ");
    until("memory is dropped", async || cache.stats().entries == 0).await;
    assert_eq!(gaps(&cache).await, 1);
}

#[tokio::test]
async fn l2_messages_that_all_arrive_drop_nothing() {
    let (server, prefix) = (shared(), unique_prefix());
    let (one, two) = (tiered(server, &prefix).await, tiered(server, &prefix).await);
    two.set("k", &1).await.expect("stored");
    let monitor = server.monitor();
    let work = (0..500).map(|n| {
        let one = one.clone();
        tokio::spawn(async move {
            let key = format!("other:{n}");
            one.set(&key, &n).await.expect("stored");
            one.delete(&key).await;
        })
    });
    for work in work.collect::<Vec<_>>() {
        work.await.expect("no panic");
    }
    // A beat of the one that has sent all these has been heard, and nothing was missing a while later.
    let beats = |number: u64| {
        let says = format!(" {number} h ");
        monitor
            .commands()
            .iter()
            .any(|command| command.contains(&format!("{prefix}:%invalidations")) && command.contains(&says))
    };
    until("the last message is told of", async || beats(1000)).await;
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!((gaps(&two).await, gaps(&one).await), (0, 0));
    assert_eq!(two.stats().entries, 1);
}

#[tokio::test]
async fn l2_a_new_process_asks_how_much_the_others_have_sent() {
    let (server, prefix) = (shared(), unique_prefix());
    let one = tiered(server, &prefix).await;
    one.delete("k").await;
    let monitor = server.monitor();
    let _two = tiered(server, &prefix).await;
    let says = |what: &str| {
        let commands = monitor.commands();
        commands
            .iter()
            .any(|command| command.contains(&prefix) && command.contains(what))
    };
    until("the question", async || says(" 0 ? ")).await;
    until("the answer", async || says(" 1 h ")).await;
}
