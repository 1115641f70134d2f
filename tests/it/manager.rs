//! The operations of the manager (contract, section 4), each on memory, on Redis, and on both.

use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Duration;

use cache_core::{BackendMode, CacheError, CacheManager, HealthStatus};
use serde::{Deserialize, Serialize};
use tests::{RedisServer, shared, unique_prefix};

use crate::places::managers;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct User {
    id: u64,
    name: String,
}

fn user(id: u64) -> User {
    User {
        id,
        name: format!("user {id}"),
    }
}

#[tokio::test]
async fn the_operations_of_the_manager_work_on_every_tier() {
    for cache in managers().await {
        let d = Duration::from_secs(100);
        cache
            .set("user:1", &user(1))
            .ttl(d)
            .tags(["org:7"])
            .await
            .expect("stored");
        assert_eq!(cache.get("user:1").await, Some(user(1)), "{cache:?}");
        assert_eq!(cache.get::<String>("user:1").await, None);
        assert!(cache.exists("user:1").await);
        let left = cache.ttl("user:1").await.expect("a ttl");
        assert!(left > Duration::from_secs(98) && left <= d, "{left:?}");
        assert!(cache.delete("user:1").await && !cache.delete("user:1").await);
        assert!(!cache.exists("user:1").await && cache.ttl("user:1").await.is_none());

        cache
            .set("user:2", &user(2))
            .tags(vec!["org:7".to_owned()])
            .await
            .expect("stored");
        cache.set("user:3", &user(3)).await.expect("stored");
        cache.invalidate_tag("org:7").await;
        assert_eq!(cache.get::<User>("user:2").await, None, "{cache:?}");
        assert_eq!(cache.get("user:3").await, Some(user(3)));
        assert!(!cache.exists("user:2").await);

        cache.set("user:4", &user(4)).await.expect("stored");
        cache.set("team:4", "text").await.expect("stored");
        assert_eq!(cache.invalidate("user:[34]").await, 2, "{cache:?}");
        assert_eq!(cache.get::<String>("team:4").await.as_deref(), Some("text"));
        cache.clear().await;
        assert!(!cache.exists("team:4").await);
    }
}

#[tokio::test]
async fn get_or_fetch_loads_once_and_gives_the_loaders_own_error() {
    for cache in managers().await {
        let runs = AtomicU32::new(0);
        let load = || async {
            runs.fetch_add(1, SeqCst);
            Ok::<_, std::num::ParseIntError>(user(9))
        };
        for _ in 0..3 {
            let value = cache
                .get_or_fetch("user:9", load)
                .ttl(Duration::from_secs(5))
                .await
                .expect("a value");
            assert_eq!(value, user(9));
        }
        assert_eq!(runs.load(SeqCst), 1, "{cache:?}");
        let error = cache
            .get_or_fetch("user:10", || async { "x".parse::<u64>() })
            .await;
        assert!(error.is_err());
        assert!(!cache.exists("user:10").await);
    }
}

#[tokio::test(start_paused = true)]
async fn get_or_fetch_serves_a_stale_value_when_the_loader_fails() {
    let cache = CacheManager::in_memory();
    let (ttl, window) = (Duration::from_secs(10), Duration::from_secs(60));
    let load = |value: Result<u32, &'static str>| {
        cache
            .get_or_fetch("metric", move || async move { value })
            .ttl(ttl)
            .stale_if_error(window)
    };
    assert_eq!(load(Ok(1)).await, Ok(1));
    tokio::time::advance(Duration::from_secs(11)).await;
    assert_eq!(load(Err("down")).await, Ok(1));
    assert_eq!(cache.stats().total.stale_served, 1);
    tokio::time::advance(Duration::from_secs(11)).await;
    assert_eq!(load(Ok(2)).await, Ok(2));
    tokio::time::advance(Duration::from_secs(71)).await;
    assert_eq!(load(Err("down")).await, Err("down"));
}

#[tokio::test]
async fn m4_batches_of_any_size_work_in_the_order_asked() {
    for cache in managers().await {
        let keys: Vec<String> = (0..250).map(|id| format!("user:{id}")).collect();
        cache
            .set_many((0..250).map(|id| (format!("user:{id}"), user(id))))
            .await
            .expect("stored");
        let asked: Vec<&String> = keys.iter().rev().collect();
        let users = cache.get_many::<User>(&asked).await;
        assert_eq!(users.len(), 250);
        assert!(
            users
                .iter()
                .zip((0..250).rev())
                .all(|(found, id)| *found == Some(user(id))),
            "{cache:?}"
        );
        assert_eq!(
            cache.get_many::<User>(["user:0", "nobody", "user:2"]).await,
            [Some(user(0)), None, Some(user(2))]
        );
        assert_eq!(cache.delete_many(&keys).await, 250, "{cache:?}");
        assert_eq!(cache.get_many::<User>(&keys).await, vec![None; 250]);
        cache
            .warm([("user:1", user(1)), ("user:2", user(2))])
            .await
            .expect("stored");
        assert_eq!(cache.get("user:2").await, Some(user(2)));
    }
}

#[tokio::test]
async fn m1_clear_removes_what_is_under_its_prefix_and_nothing_else() {
    let server = RedisServer::start();
    let build = |prefix: &'static str| {
        CacheManager::builder()
            .redis_url(server.url())
            .key_prefix(prefix)
            .build()
    };
    let (one, star) = (
        build("a").await.expect("a cache"),
        build("a*").await.expect("a cache"),
    );
    one.set("k", &1).await.expect("stored");
    star.set("k", &2).await.expect("stored");
    server.cli(&["SET", "foreign", "x"]);
    star.clear().await;
    assert_eq!(server.cli(&["EXISTS", "a:k", "foreign", "a*:k"]).trim(), "2");
    assert_eq!(one.get("k").await, Some(1));
    one.clear().await;
    assert_eq!(server.cli(&["DBSIZE"]).trim(), "1");
}

#[tokio::test]
async fn m2_patterns_mean_the_same_on_both_tiers() {
    let texts = [
        "a", "ab", "a*b", "a?b", "a[b", "a]b", "a\\b", "abc", "xb", "^b", "-b", "ä", "é:1", "",
    ];
    let patterns = [
        "*", "a*", "a\\*b", "a?b", "[^a]b", "[a-x]b", "[x-a]b", "a[", "[", "a[bc]*", "a\\", "[\\]]b", "?",
        "a**", "*b*", "[^]b", "[ä-é]*",
    ];
    let prefix = unique_prefix();
    let redis = CacheManager::builder()
        .redis_url(shared().url())
        .backend(BackendMode::Redis)
        .key_prefix(prefix.clone())
        .build()
        .await
        .expect("a cache");
    for pattern in patterns {
        let memory = CacheManager::in_memory();
        for text in texts {
            memory.set(text, &1).await.expect("stored");
            redis.set(text, &1).await.expect("stored");
        }
        let (in_memory, in_redis) = (memory.invalidate(pattern).await, redis.invalidate(pattern).await);
        let mut left = (Vec::new(), Vec::new());
        for text in texts {
            left.0.push(memory.exists(text).await);
            left.1.push(redis.exists(text).await);
        }
        assert_eq!((in_memory, &left.0), (in_redis, &left.1), "{pattern}");
    }
}

#[tokio::test]
async fn a_value_that_cannot_be_written_or_is_too_large_is_an_error() {
    #[derive(Clone)]
    struct Broken;
    impl Serialize for Broken {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("no luck"))
        }
    }
    let cache = CacheManager::builder()
        .max_value_bytes(100)
        .build()
        .await
        .expect("a cache");
    let error = cache.set("lead:1", &Broken).await.expect_err("an error");
    assert!(
        matches!(&error, CacheError::Serialization(text) if text.contains("`lead`") && text.contains("no luck")),
        "{error}"
    );
    let error = cache.set("lead:1", &"x".repeat(100)).await.expect_err("an error");
    assert_eq!(
        error,
        CacheError::TooLarge {
            bytes: 102,
            limit: 100
        }
    );
    let error = cache
        .set("lead:1", &1)
        .ttl(Duration::ZERO)
        .await
        .expect_err("an error");
    assert!(matches!(error, CacheError::Validation(_)), "{error}");
    assert!(!cache.exists("lead:1").await);
}

#[tokio::test]
async fn ttls_from_a_nanosecond_to_the_longest_are_taken() {
    for cache in managers().await {
        cache
            .set("short", &1)
            .ttl(Duration::from_nanos(1))
            .await
            .expect("stored");
        cache.set("long", &1).ttl(Duration::MAX).await.expect("stored");
        assert!(cache.ttl("long").await.expect("a ttl") > Duration::from_secs(86_400 * 365));
        assert_eq!(
            cache
                .get_or_fetch("zero", || async { Ok::<_, ()>(1) })
                .ttl(Duration::ZERO)
                .await,
            Ok(1)
        );
        assert!(!cache.exists("zero").await);
    }
}

#[tokio::test]
async fn empty_and_ten_megabyte_values_are_stored() {
    for cache in managers().await {
        let large = "0123456789".repeat(1 << 20);
        cache.set("large", &large).await.expect("stored");
        cache.set("empty", "").await.expect("stored");
        cache.set("nothing", &Vec::<u8>::new()).await.expect("stored");
        assert!(cache.get::<String>("large").await == Some(large), "{cache:?}");
        assert_eq!(cache.get::<String>("empty").await.as_deref(), Some(""));
        assert_eq!(cache.get::<Vec<u8>>("nothing").await, Some(vec![]));
    }
}

#[tokio::test]
async fn raw_keys_are_taken_as_they_are() {
    for cache in managers().await {
        let all: String = (1..=255_u8).map(char::from).collect();
        for key in [all.as_str(), "", " ", "a\0b", "*", &"long".repeat(5000)] {
            cache.set(key, &key.len()).await.expect("stored");
            assert_eq!(cache.get(key).await, Some(key.len()));
            assert!(cache.delete(key).await, "{key:?} {cache:?}");
        }
    }
}

#[tokio::test]
async fn bounds_of_zero_are_refused() {
    let error = CacheManager::builder()
        .max_entries(0)
        .build()
        .await
        .expect_err("an error");
    assert!(
        error
            .to_string()
            .contains("`max_entries` (`MAX_MEMORY_SIZE`) is 0; it takes at least 1"),
        "{error}"
    );
    let error = CacheManager::builder()
        .default_ttl(Duration::ZERO)
        .build()
        .await
        .expect_err("an error");
    assert!(error.to_string().contains("`default_ttl`"), "{error}");
    let error = CacheManager::builder()
        .max_bytes(0)
        .build()
        .await
        .expect_err("an error");
    assert!(error.to_string().contains("`max_bytes`"), "{error}");
}

#[tokio::test]
async fn health_tells_how_it_is_and_close_ends_it() {
    let cache = CacheManager::builder()
        .redis_url(shared().url())
        .key_prefix(unique_prefix())
        .build()
        .await
        .expect("a cache");
    cache.set("k", &1).await.expect("stored");
    let health = cache.health().await;
    assert_eq!(
        (health.status, health.entries, health.pending_invalidations),
        (HealthStatus::Healthy, 1, 0)
    );
    let redis = health.redis.expect("Redis is configured");
    assert!(redis.connected && redis.channel && redis.latency.is_some());
    assert!(
        redis
            .version
            .expect("a version")
            .starts_with(|c: char| c.is_ascii_digit())
    );
    cache.close().await;
    assert_eq!(cache.health().await.status, HealthStatus::Off);
    assert_eq!(cache.get::<u8>("k").await, None);
    cache.set("k", &2).await.expect("no error");
}

#[tokio::test]
async fn popular_searches_are_counted_together_by_all_processes() {
    let prefix = unique_prefix();
    let build = || {
        CacheManager::builder()
            .redis_url(shared().url())
            .key_prefix(prefix.clone())
            .build()
    };
    let (one, two) = (build().await.expect("a cache"), build().await.expect("a cache"));
    for _ in 0..3 {
        one.popular_searches().record("rust");
        two.popular_searches().record(" rust ");
    }
    two.popular_searches().record("redis");
    two.popular_searches().record("");
    assert_eq!(one.popular_searches().top(1).await, [("rust".to_owned(), 3)]);
    assert_eq!(
        two.popular_searches().top(5).await,
        [("rust".to_owned(), 6), ("redis".to_owned(), 1)]
    );
    assert_eq!(one.popular_searches().top(0).await, []);

    let memory = CacheManager::in_memory();
    memory.popular_searches().record("b");
    memory.popular_searches().record("a");
    memory.popular_searches().record("a");
    assert_eq!(
        memory.popular_searches().top(5).await,
        [("a".to_owned(), 2), ("b".to_owned(), 1)]
    );
}
