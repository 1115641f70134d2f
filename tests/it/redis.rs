//! The Redis tier: what is seen in it, how much it is asked, and what becomes of bytes that are no entries.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Duration;

use cache_core::{
    BackendMode, CacheManager, cache_lead_data, cache_result, cache_search_results, invalidate_cache,
};
use serde::{Deserialize, Serialize};
use tests::{RedisServer, shared, unique_prefix};
use tokio::sync::Semaphore;

use crate::settled::until_async;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Lead {
    id: u64,
    notes: String,
}

static RUNS: AtomicU32 = AtomicU32::new(0);

#[cache_lead_data]
async fn get_lead(lead_id: u64) -> Option<Lead> {
    RUNS.fetch_add(1, SeqCst);
    Some(Lead {
        id: lead_id,
        notes: "likes tea. ".repeat(500),
    })
}

#[cache_search_results]
async fn search(text: &str, page: Option<u32>) -> Vec<Lead> {
    let _ = (text, page);
    vec![]
}

#[invalidate_cache(get_lead(lead_id), search(..))]
async fn update(lead_id: u64) {
    let _ = lead_id;
}

async fn tiered(server: &RedisServer, prefix: &str) -> CacheManager {
    CacheManager::builder()
        .redis_url(server.url())
        .key_prefix(prefix)
        .build()
        .await
        .expect("a cache")
}

#[tokio::test]
async fn k1_the_documented_keys_are_seen_in_redis_with_the_ttls_of_the_table() {
    let server = RedisServer::start();
    let cache = CacheManager::connect(server.url()).await.expect("a cache");
    cache
        .scope(async {
            get_lead(42).await;
            search("x", None).await;
        })
        .await;
    let ttl = |key: &str| server.cli(&["TTL", key]).trim().parse::<i64>().expect("a number");
    assert!((7195..=7200).contains(&ttl("app:lead:42")));
    let keys = server.cli(&["KEYS", "app:search:*"]);
    let hash = keys.trim().strip_prefix("app:search:").expect("one search");
    assert!(
        hash.len() == 32 && hash.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')),
        "{keys}"
    );
    assert!((3595..=3600).contains(&ttl(keys.trim())));
}

#[tokio::test]
async fn a_redis_hit_is_one_get_and_a_miss_three_commands_at_most() {
    let server = RedisServer::start();
    let cache = tiered(&server, "one").await;
    cache.scope(get_lead(1)).await;
    let monitor = server.monitor();
    let other = tiered(&server, "one").await;
    other.scope(get_lead(1)).await;
    other.scope(get_lead(1)).await;
    other.scope(get_lead(2)).await;
    server.cli(&["ECHO", "end"]);
    let commands = monitor.commands();
    let on = |key: &str| {
        commands
            .iter()
            .filter(|command| command.contains(key))
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(on("one:lead:1").len(), 1, "{commands:?}");
    assert!(on("one:lead:1")[0].to_uppercase().contains("GET"), "{commands:?}");
    assert!((2..=3).contains(&on("one:lead:2").len()), "{commands:?}");
    assert_eq!(other.stats().functions["it::redis::get_lead"].redis_hits, 1);
}

#[cache_result(
    key = "revalidated:{id}",
    skip(cache, runs),
    ttl = 2,
    stale_while_revalidate = "1m",
    manager = &cache
)]
async fn revalidated(cache: CacheManager, runs: Arc<AtomicU32>, id: u32) -> u32 {
    runs.fetch_add(1, SeqCst) + 1
}

#[tokio::test]
async fn t3_what_one_process_has_refreshed_is_not_loaded_once_more_by_another() {
    let (server, prefix) = (shared(), unique_prefix());
    let (one, two) = (tiered(server, &prefix).await, tiered(server, &prefix).await);
    let runs = Arc::new(AtomicU32::new(0));
    let call = |cache: &CacheManager| revalidated(cache.clone(), Arc::clone(&runs), 1);
    assert_eq!((call(&one).await, call(&two).await), (1, 1));
    until_async("the value is refreshed", async || call(&one).await == 2).await;
    until_async("the other one has it", async || call(&two).await == 2).await;
    assert_eq!(runs.load(SeqCst), 2);
}

/// What a function waits for until it is opened.
struct Gate {
    runs: AtomicU32,
    open: Semaphore,
}

#[cache_result(key = "gated:{id}", skip(cache, gate), tags = ["gate:{id}"], manager = &cache)]
async fn gated(cache: CacheManager, gate: Arc<Gate>, id: u32) -> u32 {
    let run = gate.runs.fetch_add(1, SeqCst) + 1;
    let _open = gate.open.acquire().await.expect("it is not closed");
    run
}

#[tokio::test]
async fn s2_one_who_waited_for_an_invalidated_load_does_not_take_the_key_from_a_later_one() {
    let (server, prefix) = (shared(), unique_prefix());
    let gate = Arc::new(Gate {
        runs: AtomicU32::new(0),
        open: Semaphore::new(0),
    });
    let start = |cache: &CacheManager| tokio::spawn(gated(cache.clone(), Arc::clone(&gate), 1));
    let running = async |count: u32| {
        until_async("it runs", async || gate.runs.load(SeqCst) == count).await;
    };
    let [one, two, three] = [(); 3].map(|()| tiered(server, &prefix));
    let (one, two, three) = tokio::join!(one, two, three);
    let first = start(&one);
    running(1).await;
    let waiting = start(&two);
    until_async("the other one waits for it", async || {
        server.cli(&["GETRANGE", &format!("{prefix}:gated:1"), "41", "41"]) == "\u{3}"
    })
    .await;
    three.invalidate_tag("gate:1").await;
    let later = start(&three);
    running(2).await;
    gate.open.add_permits(2);
    first.await.expect("it ends");
    // It goes with the later one, and what that has loaded is stored.
    assert_eq!(
        (later.await.expect("it ends"), waiting.await.expect("it ends")),
        (2, 2)
    );
    let another = tiered(server, &prefix).await;
    assert_eq!(gated(another, Arc::clone(&gate), 1).await, 2);
    assert_eq!(gate.runs.load(SeqCst), 2);
}

#[cache_result(
    key = "ahead:{id}",
    skip(cache, runs),
    ttl = 3,
    refresh_ahead = 0.3,
    manager = &cache
)]
async fn ahead(cache: CacheManager, runs: Arc<AtomicU32>, id: u32) -> u32 {
    runs.fetch_add(1, SeqCst) + 1
}

#[tokio::test]
async fn t3_a_hit_in_redis_is_refreshed_ahead_while_its_caller_is_served() {
    let (server, prefix) = (shared(), unique_prefix());
    let one = tiered(server, &prefix).await;
    let runs = Arc::new(AtomicU32::new(0));
    let call = |cache: &CacheManager| ahead(cache.clone(), Arc::clone(&runs), 1);
    assert_eq!(call(&one).await, 1);
    until_async("it is due", async || {
        one.ttl("ahead:1")
            .await
            .is_some_and(|left| left < Duration::from_secs(2))
    })
    .await;
    // It has nothing in memory yet.
    let two = tiered(server, &prefix).await;
    assert_eq!(call(&two).await, 1);
    until_async("the value is refreshed", async || call(&two).await == 2).await;
    assert_eq!((two.stats().total.misses, runs.load(SeqCst)), (0, 2));
}

#[cache_result(
    key = "once:{id}",
    skip(cache, runs),
    ttl = 3,
    refresh_ahead = 0.3,
    cache_if = |run| *run == 1,
    manager = &cache
)]
async fn once(cache: CacheManager, runs: Arc<AtomicU32>, id: u32) -> u32 {
    runs.fetch_add(1, SeqCst) + 1
}

#[tokio::test]
async fn t3_a_refresh_ahead_of_which_nothing_is_stored_is_not_repeated_at_each_hit() {
    let (server, prefix) = (shared(), unique_prefix());
    let cache = tiered(server, &prefix).await;
    let runs = Arc::new(AtomicU32::new(0));
    let call = || once(cache.clone(), Arc::clone(&runs), 1);
    assert_eq!(call().await, 1);
    until_async("it is refreshed", async || {
        assert_eq!(call().await, 1);
        runs.load(SeqCst) == 2
    })
    .await;
    for _ in 0..100 {
        assert_eq!(call().await, 1);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(runs.load(SeqCst), 2);
}

#[tokio::test]
async fn l1_an_invalidation_in_one_process_reaches_the_memory_of_another() {
    let (server, prefix) = (shared(), unique_prefix());
    let (one, two) = (tiered(server, &prefix).await, tiered(server, &prefix).await);
    // What is read in the moment in which the channel is first heard does not stay in memory.
    for cache in [&one, &two] {
        until_async("the channel is heard", async || {
            cache.health().await.redis.is_some_and(|redis| redis.channel)
        })
        .await;
    }
    one.scope(get_lead(7)).await;
    one.scope(search("tea", Some(1))).await;
    one.set("tagged", &1).tags(["t"]).await.expect("stored");
    // What is heard of the writing only after the reading takes the copy away once more.
    until_async("all of it is in memory", async || {
        two.scope(get_lead(7)).await;
        two.scope(search("tea", Some(1))).await;
        assert_eq!(two.get("tagged").await, Some(1));
        two.stats().entries == 3
    })
    .await;
    assert_eq!(two.stats().total.misses, 0);
    one.scope(update(7)).await;
    one.invalidate_tag("t").await;
    let gone = async {
        while two.get::<u8>("tagged").await.is_some() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(2), gone)
        .await
        .expect("the message arrives");
    // What was told before has arrived too.
    let misses = || two.stats().total.misses;
    let before = misses();
    two.scope(get_lead(7)).await;
    two.scope(search("tea", Some(1))).await;
    assert_eq!(misses(), before + 2);
}

#[tokio::test]
async fn f3_bytes_that_are_no_entry_are_a_miss_and_are_replaced() {
    let (server, prefix) = (shared(), unique_prefix());
    let cache = CacheManager::builder()
        .redis_url(server.url())
        .backend(BackendMode::Redis)
        .key_prefix(prefix.clone())
        .build()
        .await
        .expect("a cache");
    let key = format!("{prefix}:lead:5");
    for junk in ["", "x", "{\"id\":5}", "\u{1}\u{2}"] {
        server.cli(&["SET", &key, junk]);
        let before = RUNS.load(SeqCst);
        assert_eq!(cache.scope(get_lead(5)).await.map(|lead| lead.id), Some(5));
        assert!(RUNS.load(SeqCst) > before, "{junk:?}");
        assert_eq!(cache.get::<Lead>("lead:5").await.map(|lead| lead.id), Some(5));
    }
    server.cli(&["DEL", &key]);
    server.cli(&["LPUSH", &key, "a list"]);
    assert_eq!(cache.scope(get_lead(5)).await.map(|lead| lead.id), Some(5));
    assert!(cache.stats().total.errors >= 3);
}

#[tokio::test]
async fn f1_an_entry_moved_to_another_key_is_not_served() {
    let (server, prefix) = (shared(), unique_prefix());
    let cache = tiered(server, &prefix).await;
    cache.scope(get_lead(1)).await;
    server.cli(&["RENAME", &format!("{prefix}:lead:1"), &format!("{prefix}:lead:2")]);
    let lead = cache.scope(get_lead(2)).await.expect("a lead");
    assert_eq!(lead.id, 2);
}

mod other_version {
    use super::*;

    #[cache_result(key = "versioned:{id}", version = 1)]
    pub(super) async fn first(id: u64) -> String {
        format!("first {id}")
    }

    #[cache_result(key = "versioned:{id}", version = 2)]
    pub(super) async fn second(id: u64) -> String {
        format!("second {id}")
    }
}

#[tokio::test]
async fn a_new_version_of_a_function_does_not_see_what_the_old_one_stored() {
    let (server, prefix) = (shared(), unique_prefix());
    tiered(server, &prefix).await.scope(other_version::first(1)).await;
    let value = tiered(server, &prefix)
        .await
        .scope(other_version::second(1))
        .await;
    assert_eq!(value, "second 1");
}

#[cache_result(key = "local:{id}", tier = "memory")]
async fn local(id: u64) -> std::sync::Arc<std::sync::Mutex<u64>> {
    std::sync::Arc::new(std::sync::Mutex::new(id))
}

#[cache_result(key = "remote:{id}", tier = "redis")]
async fn remote(id: u64) -> u64 {
    id
}

#[tokio::test]
async fn the_tier_of_a_function_is_kept_to() {
    let (server, prefix) = (shared(), unique_prefix());
    let cache = tiered(server, &prefix).await;
    cache
        .scope(async {
            *local(1).await.lock().expect("not poisoned") = 9;
            assert_eq!(*local(1).await.lock().expect("not poisoned"), 9);
            assert_eq!(remote(1).await + remote(1).await, 2);
        })
        .await;
    let stats = cache.stats();
    assert_eq!(stats.functions["it::redis::local"].memory_hits, 1);
    assert_eq!(stats.functions["it::redis::remote"].redis_hits, 1);
    assert_eq!(
        server
            .cli(&[
                "EXISTS",
                &format!("{prefix}:local:1"),
                &format!("{prefix}:remote:1")
            ])
            .trim(),
        "1"
    );
}

#[tokio::test]
async fn t4_memory_never_outlives_redis() {
    let (server, prefix) = (shared(), unique_prefix());
    let one = tiered(server, &prefix).await;
    one.set("short", &1)
        .ttl(Duration::from_millis(300))
        .await
        .expect("stored");
    let two = tiered(server, &prefix).await;
    assert_eq!(two.get("short").await, Some(1));
    let left = two.ttl("short").await.expect("a ttl");
    assert!(left <= Duration::from_millis(300), "{left:?}");
    tokio::time::sleep(Duration::from_millis(320)).await;
    assert_eq!(two.get::<u8>("short").await, None);
}

#[cache_result(key = "tagged:{id}", tags = ["shelf"])]
async fn tagged(id: u64) -> u64 {
    id
}

#[tokio::test]
async fn g4_an_entry_without_the_tags_of_its_reader_is_not_served_to_it() {
    let (server, prefix) = (shared(), unique_prefix());
    let (one, two) = (tiered(server, &prefix).await, tiered(server, &prefix).await);
    one.set("tagged:1", &7_u64).await.expect("stored");
    one.set("tagged:2", &7_u64).tags(["shelf"]).await.expect("stored");
    // The first could not be invalidated by what the function can be invalidated by.
    assert_eq!(two.scope(tagged(1)).await, 1);
    assert_eq!(two.scope(tagged(2)).await, 7);
}

#[cache_result(key = "text:{id}", skip(length, again), refresh = again)]
async fn text(id: u64, length: usize, again: bool) -> String {
    let _ = (id, again);
    "x".repeat(length)
}

#[tokio::test]
async fn a_refresh_that_redis_may_not_hold_takes_what_is_there_away() {
    let (server, prefix) = (shared(), unique_prefix());
    let builder = CacheManager::builder()
        .redis_url(server.url())
        .key_prefix(&prefix);
    let cache = builder.max_value_bytes(100).build().await.expect("a cache");
    assert_eq!(cache.scope(text(1, 10, false)).await.len(), 10);
    assert_eq!(cache.scope(text(1, 200, true)).await.len(), 200);
    let gone = async {
        while tiered(server, &prefix).await.exists("text:1").await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), gone)
        .await
        .expect("it goes");
}

#[tokio::test]
async fn large_values_are_compressed_in_redis() {
    let (server, prefix) = (shared(), unique_prefix());
    let cache = tiered(server, &prefix).await;
    let lead = cache.scope(get_lead(3)).await.expect("a lead");
    let stored: usize = server
        .cli(&["STRLEN", &format!("{prefix}:lead:3")])
        .trim()
        .parse()
        .expect("a number");
    assert!(stored * 5 < lead.notes.len(), "{stored}");
}
