//! The same behind sentinels (contract, section 7: L3 to L5): whoever is the master is found, a crash and a planned failover
//! alike, and what was invalidated before is not served after.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use cache_core::{BackendMode, CacheManager, CacheManagerBuilder, RedisMode};
use tests::RedisSentinels;

use crate::settled::until_async;

fn builder(group: &RedisSentinels) -> CacheManagerBuilder {
    CacheManager::builder()
        .redis_url(group.url())
        .redis_mode(RedisMode::Sentinel)
        .redis_sentinel_master(RedisSentinels::MASTER)
        // Other processes share this machine.
        .op_budget(Duration::from_secs(1))
        .degraded_ttl(Duration::ZERO)
}

async fn manager(group: &RedisSentinels) -> CacheManager {
    builder(group).build().await.expect("a cache")
}

async fn redis_only(group: &RedisSentinels) -> CacheManager {
    let builder = builder(group).backend(BackendMode::Redis);
    builder.build().await.expect("a cache")
}

async fn until_stored(cache: &CacheManager, key: &str) {
    until_async("it stores again", async || {
        cache.set(key, &1).await.expect("no error");
        let redis = cache.health().await.redis.expect("there is one");
        redis.connected && redis.channel && cache.get::<u8>(key).await == Some(1)
    })
    .await;
}

async fn address(cache: &CacheManager) -> String {
    let redis = cache.health().await.redis.expect("there is one");
    redis.nodes[0].address.clone()
}

#[tokio::test]
async fn l5_when_the_master_dies_the_other_one_is_used_and_nothing_old_served() {
    let group = RedisSentinels::start();
    let [first, second] = group.servers();
    let (here, there) = (manager(&group).await, redis_only(&group).await);
    assert!(address(&here).await.ends_with(&first.port().to_string()));
    here.set("k", &"old").await.expect("stored");
    here.set("kept", &"old").tags(["t"]).await.expect("stored");
    assert_eq!(there.get::<String>("k").await.as_deref(), Some("old"));
    let lost = ["app:k", "app:kept", "app:%tag:t"];
    for key in lost {
        assert_eq!(first.cli(&["COPY", key, &format!("saved:{key}")]), "1");
    }
    here.delete("k").await;
    here.invalidate_tag("t").await;
    until_async("it is replicated", async || {
        second.cli(&["EXISTS", "app:k"]) == "0"
    })
    .await;
    first.kill();
    for _ in 0..50 {
        assert_eq!(here.get::<String>("k").await, None);
        assert_eq!(there.get::<String>("kept").await, None);
    }
    group.wait_until_master(second);
    // As if the replica had not heard of the invalidations.
    for key in lost {
        assert_eq!(
            second.cli(&["COPY", &format!("saved:{key}"), key, "REPLACE"]),
            "1"
        );
    }
    let serves = async |cache: &CacheManager| {
        for key in ["k", "kept"] {
            assert_eq!(cache.get::<String>(key).await, None);
        }
        let redis = cache.health().await.redis.expect("there is one");
        redis.connected && redis.channel
    };
    until_async("it is back", async || serves(&here).await && serves(&there).await).await;
    until_stored(&here, "new").await;
    assert_eq!(there.get::<u8>("new").await, Some(1));
    assert!(address(&here).await.ends_with(&second.port().to_string()));
}

#[tokio::test]
async fn l5_a_planned_failover_under_calls_serves_nothing_that_was_invalidated() {
    let group = RedisSentinels::start();
    let (here, there) = (manager(&group).await, manager(&group).await);
    // What the source has: a number that only grows.
    let source = AtomicU64::new(0);
    // What was invalidated, and Redis has taken.
    let settled = AtomicU64::new(0);
    let stop = AtomicBool::new(false);
    let write = async {
        while !stop.load(SeqCst) {
            let value = source.fetch_add(1, SeqCst) + 1;
            here.delete("k").await;
            if here.health().await.pending_invalidations == 0 {
                settled.fetch_max(value, SeqCst);
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let read = async |cache: &CacheManager| {
        while !stop.load(SeqCst) {
            // Another process hears of it within 50 ms.
            let least = settled.load(SeqCst);
            tokio::time::sleep(Duration::from_millis(100)).await;
            let load = || async { Ok::<_, String>(source.load(SeqCst)) };
            let value = cache.get_or_fetch("k", load).await.expect("no error");
            assert!(value >= least, "{value} after {least}");
        }
    };
    let fail_over = async {
        group.fail_over();
        let second = &group.servers()[1];
        let port = second.port().to_string();
        until_async("both have left", async || {
            address(&here).await.ends_with(&port) && address(&there).await.ends_with(&port)
        })
        .await;
        until_async("they are heard", async || {
            let redis = there.health().await.redis;
            redis.is_some_and(|redis| redis.connected && redis.channel)
        })
        .await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        stop.store(true, SeqCst);
    };
    tokio::join!(write, read(&here), read(&there), fail_over);
    until_stored(&here, "new").await;
    assert_eq!(there.get::<u8>("new").await, Some(1));
}

#[tokio::test]
async fn l3_sentinels_that_are_gone_cost_nothing_while_the_master_lives() {
    let group = RedisSentinels::start();
    let cache = redis_only(&group).await;
    cache.set("k", &1).await.expect("stored");
    for sentinel in group.sentinels() {
        sentinel.kill();
    }
    // More than the time between two looks.
    for _ in 0..50 {
        assert_eq!(cache.get::<u8>("k").await, Some(1));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let late = redis_only(&group).await;
    assert_eq!(late.get::<u8>("k").await, None);
    let redis = late.health().await.redis.expect("there is one");
    let error = redis.last_error.unwrap_or_default();
    assert!(
        !redis.connected && error.contains("no sentinel answers"),
        "{error}"
    );
}

#[tokio::test]
async fn e2_a_master_that_no_sentinel_knows_is_an_error_that_names_it() {
    let group = RedisSentinels::start();
    let builder = builder(&group).redis_sentinel_master("nobody");
    let error = builder.build().await.expect_err("no such master").to_string();
    assert!(
        error.contains("no master `nobody`") && error.contains("REDIS_SENTINEL_MASTER"),
        "{error}"
    );
}

#[tokio::test]
async fn the_password_of_the_servers_is_not_asked_for_by_sentinels_without_one() {
    let group = RedisSentinels::start_with(&["--protected-mode", "no"]);
    let [first, second] = group.servers();
    for server in [first, second] {
        server.cli(&["ACL", "SETUSER", "ann", "on", ">hunter2", "~*", "&*", "+@all"]);
    }
    let urls = group.url().replace("redis://", "redis://ann:hunter2@");
    let cache = builder(&group).redis_url(urls).build().await.expect("a cache");
    cache.set("k", &1).await.expect("stored");
    assert_eq!(first.cli(&["EXISTS", "app:k"]), "1");
    assert!(first.cli(&["CLIENT", "LIST"]).contains("user=ann"));
}
