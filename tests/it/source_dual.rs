//! Dual storage (contract, section 8): what its users know, on memory and on Redis.

use std::collections::HashMap;
use std::process::Command;
use std::time::Duration;

use cache_core::{BackendMode, CacheManager, EvictionPolicy, HealthStatus};
use serde_json::{Value, json};
use tests::{RedisServer, shared};

use crate::places::{in_redis, managers, managers_with, over};

#[tokio::test]
async fn a_value_is_set_found_and_deleted() {
    for cache in managers().await {
        cache.set("key", "value").await.expect("stored");
        assert_eq!(
            cache.get::<String>("key").await.as_deref(),
            Some("value"),
            "{cache:?}"
        );
        assert!(cache.delete("key").await);
        assert_eq!(cache.get::<String>("key").await, None);
        assert!(!cache.delete("key").await);
    }
}

#[tokio::test]
async fn any_value_of_json_can_be_stored() {
    for cache in managers().await {
        let value = json!({ "list": [1, 2.5, null, true], "text": "ä", "nested": { "a": {} } });
        cache.set("key", &value).await.expect("stored");
        assert_eq!(cache.get::<Value>("key").await, Some(value), "{cache:?}");
    }
}

#[tokio::test]
async fn a_value_is_fresh_for_its_own_ttl_or_for_five_minutes() {
    for cache in managers().await {
        cache
            .set("own", &1)
            .ttl(Duration::from_secs(60))
            .await
            .expect("stored");
        cache.set("default", &1).await.expect("stored");
        let left = async |key| cache.ttl(key).await.expect("a ttl").as_secs();
        assert!((50..=60).contains(&left("own").await), "{cache:?}");
        assert!((290..=300).contains(&left("default").await), "{cache:?}");
    }
}

#[tokio::test]
async fn an_entry_can_be_given_names_to_be_dropped_by() {
    for cache in managers().await {
        let pairs = [("a", 1), ("b", 2)];
        cache
            .set_many(pairs)
            .tags(["source:import"])
            .await
            .expect("stored");
        cache.set("c", &3).tags(["source:user"]).await.expect("stored");
        cache.invalidate_tag("source:import").await;
        let left = cache.get_many::<u32>(["a", "b", "c"]).await;
        assert_eq!(left, [None, None, Some(3)], "{cache:?}");
    }
}

#[tokio::test]
async fn batches_are_set_found_and_deleted() {
    for cache in managers().await {
        let items = HashMap::from([("key1", "value1"), ("key2", "value2")]);
        cache.set_many(items).await.expect("stored");
        let found = cache.get_many::<String>(["key1", "key2", "key3"]).await;
        assert_eq!(
            found,
            [Some("value1".to_owned()), Some("value2".to_owned()), None],
            "{cache:?}"
        );
        assert_eq!(cache.delete_many(["key1", "key2", "key3"]).await, 2, "{cache:?}");
        assert_eq!(cache.get_many::<String>(["key1", "key2"]).await, [None, None]);
    }
}

#[tokio::test]
async fn a_batch_has_one_ttl() {
    for cache in managers().await {
        let pairs = (0..150).map(|n| (format!("n:{n}"), n));
        cache
            .set_many(pairs)
            .ttl(Duration::from_secs(60))
            .await
            .expect("stored");
        for key in ["n:0", "n:149"] {
            let left = cache.ttl(key).await.expect("a ttl").as_secs();
            assert!((50..=60).contains(&left), "{key} {left} {cache:?}");
        }
        let zero = cache.set_many([("zero", 0)]).ttl(Duration::ZERO).await;
        assert!(zero.is_err());
        assert!(!cache.exists("zero").await);
    }
}

#[tokio::test]
async fn a_batch_is_cut_into_commands_of_the_size_that_was_set() {
    let server = RedisServer::start();
    let cache = CacheManager::builder()
        .redis_url(server.url())
        .op_budget(Duration::from_secs(10))
        .backend(BackendMode::Redis)
        .indexing_batch_size(10)
        .build()
        .await
        .expect("a cache");
    let monitor = server.monitor();
    cache.get_many::<u32>((0..25).map(|n| format!("n:{n}"))).await;
    let sizes: Vec<usize> = monitor
        .commands()
        .iter()
        .filter(|command| command.starts_with("\"MGET\""))
        .map(|command| command.matches("n:").count())
        .collect();
    assert_eq!(sizes, [10, 10, 5]);
}

#[tokio::test]
async fn the_cache_is_warmed_in_the_background() {
    for cache in managers().await {
        cache.warm([("a", 1)]).await.expect("stored");
        assert_eq!(cache.get("a").await, Some(1), "{cache:?}");
        let minute = Duration::from_secs(60);
        let warm = cache.set_many([("b", 2)]).ttl(minute).in_background();
        // It goes on when nobody waits for it.
        drop(warm);
        let deadline = std::time::Instant::now() + Duration::from_secs(10);
        while cache.get::<u32>("b").await.is_none() {
            assert!(std::time::Instant::now() < deadline, "it is not there: {cache:?}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert!(cache.ttl("b").await.expect("a ttl") <= minute);
    }
}

#[tokio::test]
async fn clear_removes_everything() {
    for cache in managers().await {
        cache.set_many([("a", 1), ("b:c", 2)]).await.expect("stored");
        cache.clear().await;
        assert_eq!(
            cache.get_many::<u32>(["a", "b:c"]).await,
            [None, None],
            "{cache:?}"
        );
    }
}

#[tokio::test]
async fn l3_memory_serves_when_redis_is_gone_and_redis_when_it_is_back() {
    let server = RedisServer::start();
    let cache = over(&server).await;
    cache.set("before", &1).await.expect("stored");
    server.kill();
    cache.set("meanwhile", &2).await.expect("no error");
    assert_eq!(cache.get("before").await, Some(1));
    assert_eq!(cache.get("meanwhile").await, Some(2));
    server.restart();
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while cache.health().await.status != HealthStatus::Healthy {
        assert!(std::time::Instant::now() < deadline, "Redis is not found again");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    cache.set("after", &3).await.expect("stored");
    assert_eq!(server.cli(&["EXISTS", "app:after"]).trim(), "1");
}

/// A cache of three entries in memory, with `a`, `b` and `c` in it.
async fn full(policy: EvictionPolicy) -> CacheManager {
    let cache = CacheManager::builder()
        .backend(BackendMode::Memory)
        .max_entries(3)
        .shards(1)
        .eviction(policy)
        .build()
        .await
        .expect("a cache");
    cache
        .set_many([("a", 1), ("b", 2), ("c", 3)])
        .await
        .expect("stored");
    cache
}

async fn left(cache: &CacheManager) -> Vec<&'static str> {
    let mut left = Vec::new();
    for key in ["a", "b", "c", "d"] {
        if cache.exists(key).await {
            left.push(key);
        }
    }
    left
}

#[tokio::test]
async fn m5_lru_evicts_the_least_recently_used() {
    let cache = full(EvictionPolicy::Lru).await;
    cache.get_many::<u32>(["b", "a"]).await;
    cache.set("d", &4).await.expect("stored");
    assert_eq!(left(&cache).await, ["a", "b", "d"]);
    assert_eq!(cache.stats().total.evictions, 1);
}

#[tokio::test]
async fn m5_lfu_evicts_the_least_frequently_used() {
    let cache = full(EvictionPolicy::Lfu).await;
    for _ in 0..3 {
        cache.get_many::<u32>(["a", "c"]).await;
    }
    cache.get::<u32>("b").await;
    cache.set("d", &4).await.expect("stored");
    assert_eq!(left(&cache).await, ["a", "c", "d"]);
}

#[tokio::test]
async fn m5_fifo_evicts_the_oldest() {
    let cache = full(EvictionPolicy::Fifo).await;
    cache.get::<u32>("a").await;
    cache.set("d", &4).await.expect("stored");
    assert_eq!(left(&cache).await, ["b", "c", "d"]);
}

#[tokio::test]
async fn m5_random_evicts_any_one() {
    let mut victims = std::collections::HashSet::new();
    for _ in 0..200 {
        let cache = full(EvictionPolicy::Random).await;
        cache.set("d", &4).await.expect("stored");
        let left = left(&cache).await;
        assert_eq!(left.len(), 3);
        victims.extend(["a", "b", "c"].into_iter().filter(|key| !left.contains(key)));
    }
    assert!(victims.len() > 1, "{victims:?}");
}

#[tokio::test]
async fn m5_each_policy_keeps_its_bound() {
    for policy in [
        EvictionPolicy::Lru,
        EvictionPolicy::Lfu,
        EvictionPolicy::Fifo,
        EvictionPolicy::Random,
    ] {
        let cache = CacheManager::builder()
            .backend(BackendMode::Memory)
            .max_memory_size(100)
            .eviction(policy)
            .build()
            .await
            .expect("a cache");
        cache
            .set_many((0..5000).map(|n| (format!("n:{n}"), n)))
            .await
            .expect("stored");
        let entries = cache.stats().entries;
        assert!((1..=100).contains(&entries), "{policy:?} {entries}");
    }
}

#[tokio::test]
async fn f2_large_values_are_compressed_in_redis_and_small_ones_are_not() {
    let text = "all work and no play ".repeat(1000);
    for (threshold, compressed) in [(1024, true), (0, false), (1 << 20, false)] {
        for cache in managers_with(|builder| builder.compression_threshold(threshold)).await {
            cache.set("text", &text).await.expect("stored");
            assert_eq!(
                cache.get::<String>("text").await.as_ref(),
                Some(&text),
                "{cache:?}"
            );
            let Some(bytes) = in_redis(&cache, &["STRLEN", "{key}"], "text").await else {
                continue;
            };
            let bytes: usize = bytes.parse().expect("a number");
            assert_eq!(bytes < text.len() / 2, compressed, "{threshold} {bytes}");
        }
    }
}

#[tokio::test]
async fn statistics_tell_hits_misses_and_memory() {
    for cache in managers().await {
        cache.set("a", "value").await.expect("stored");
        for key in ["a", "a", "b"] {
            cache.get::<String>(key).await;
        }
        let stats = cache.stats();
        let hits = stats.total.memory_hits + stats.total.redis_hits;
        assert_eq!((hits, stats.total.misses), (2, 1), "{cache:?}");
        if cache.health().await.backend != BackendMode::Redis {
            assert_eq!(stats.entries, 1);
            assert!(stats.memory_bytes > 5, "{stats}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_threads_may_use_it_at_once() {
    for cache in managers().await {
        let mut tasks = tokio::task::JoinSet::new();
        for task in 0..8_u64 {
            let cache = cache.clone();
            tasks.spawn(async move {
                for n in 0..50_u64 {
                    let key = format!("n:{}", n % 10);
                    cache.set(&key, &(n % 10)).await.expect("stored");
                    let found = cache.get::<u64>(&key).await;
                    assert!(found.is_none_or(|found| found == n % 10), "{found:?}");
                    if n % 7 == task % 7 {
                        cache.delete(&key).await;
                    }
                }
            });
        }
        tasks.join_all().await;
    }
}

/// What the probe prints with these variables and none of the caller's own.
fn probe(variables: &[(&str, &str)]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_probe"));
    let output = command
        .env_clear()
        .envs(variables.iter().copied())
        .output()
        .expect("the probe runs");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn the_four_variables_are_read() {
    let said = probe(&[]);
    assert!(
        said.contains("default ttl 300s") && said.contains("entries: 5"),
        "{said}"
    );
    let said = probe(&[("CACHE_TTL", "90"), ("MAX_MEMORY_SIZE", "2")]);
    assert!(
        said.contains("default ttl 90s") && said.contains("entries: 2"),
        "{said}"
    );
    let url = shared().url();
    for (threshold, compressed) in [("1024", true), ("4000", false)] {
        probe(&[
            ("REDIS_URL", &url),
            ("CACHE_KEY_PREFIX", threshold),
            ("COMPRESSION_THRESHOLD", threshold),
            ("CACHE_OP_BUDGET", "5000"),
        ]);
        let bytes = shared().cli(&["STRLEN", &format!("{threshold}:probe:0")]);
        let bytes: usize = bytes.trim().parse().expect("a number");
        assert!(bytes > 0);
        assert_eq!(bytes < 1000, compressed, "{threshold} {bytes}");
    }
}

#[tokio::test]
async fn every_option_of_the_constructor_has_a_setter() {
    let cache = CacheManager::builder()
        .redis_url(shared().url())
        .default_ttl(Duration::from_secs(300))
        .max_memory_size(10_000)
        .compression_threshold(1024)
        .redis_max_connections(10)
        .eviction(EvictionPolicy::Lru)
        .indexing_batch_size(100)
        .build()
        .await
        .expect("a cache");
    assert_eq!(cache.health().await.status, HealthStatus::Healthy);
    assert_eq!(cache.default_ttl(), Duration::from_secs(300));
}
