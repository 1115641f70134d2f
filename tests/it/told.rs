//! What `tracing` is told of calls, and of a cache that fails (contract, section 10).

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use cache_core::{CacheManager, cache_result};
use tests::{Log, RedisServer, shared, unique_prefix};
use tracing::Level;

use crate::places::managers;
use crate::settled::until_async;

#[cache_result(key = "told:{id}", ttl = 60)]
async fn told(id: u64) -> Option<u64> {
    tracing::info!("inside of the function");
    tokio::time::sleep(Duration::from_millis(20)).await;
    (id > 0).then_some(id)
}

/// The lines of one outcome.
fn with_outcome(lines: &[String], level: &str, outcome: &str) -> Vec<String> {
    let outcome = format!("outcome=\"{outcome}\"");
    let is_one = |line: &&String| line.contains(level) && line.contains(&outcome);
    lines.iter().filter(is_one).cloned().collect()
}

const FUNCTION: &str = "function=\"it::told::told\"";
const TEMPLATE: &str = "template=\"told:{id}\"";

#[tokio::test(start_paused = true)]
async fn a_hit_is_told_at_trace_and_a_load_at_debug_as_often_as_they_are_counted() {
    let (log, _listening) = Log::listen(Level::TRACE);
    let cache = CacheManager::in_memory();
    cache
        .scope(async {
            // So long that no time looks like one of them.
            for id in [70_123_456_789, 70_123_456_789, 70_123_456_789, 0, 80_123_456_789] {
                told(id).await;
            }
            let last = 90_123_456_789;
            tokio::join!(told(last), told(last), told(last));
        })
        .await;
    let lines = log.take_with(&["cache_core", FUNCTION, TEMPLATE]);
    let stats = cache.stats().total;
    let times = |level: &str, outcome: &str| with_outcome(&lines, level, outcome).len() as u64;
    assert_eq!((times("TRACE", "hit"), stats.memory_hits), (2, 2), "{lines:#?}");
    assert_eq!(
        (times("DEBUG", "coalesced"), stats.coalesced),
        (2, 2),
        "{lines:#?}"
    );
    let loads = times("DEBUG", "loaded") + times("DEBUG", "absent");
    assert_eq!((loads, stats.loads), (4, 4), "{lines:#?}");
    for outcome in ["loaded", "coalesced"] {
        let line = with_outcome(&lines, "DEBUG", outcome).pop().expect("a line");
        assert!(line.contains("time_ms=20"), "{line}");
    }
    for line in with_outcome(&lines, "TRACE", "hit") {
        assert!(line.contains("tier=\"memory\""), "{line}");
    }
    // Neither keys nor values.
    for id in ["70123456789", "80123456789", "90123456789"] {
        assert!(lines.iter().all(|line| !line.contains(id)), "{lines:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_function_runs_inside_of_a_span_and_a_hit_has_none() {
    let (log, _listening) = Log::listen(Level::DEBUG);
    let cache = CacheManager::in_memory();
    cache.scope(told(1)).await;
    let text = log.take();
    let inside = text.lines().find(|line| line.contains("inside of the function"));
    let inside = inside.expect("a line");
    assert!(
        inside.contains("cache_load{") && inside.contains(FUNCTION) && inside.contains(TEMPLATE),
        "{inside}"
    );
    assert!(inside.contains("background=false"), "{inside}");
    let close = text.lines().filter(|line| line.contains("close time.busy"));
    assert_eq!(close.count(), 1, "{text}");
    cache.scope(told(1)).await;
    cache.set("direct:1", &1).await.expect("a value");
    let fetched = cache.get_or_fetch("direct:1", || async { Ok::<_, ()>(2) });
    assert_eq!(fetched.await, Ok(1));
    assert_eq!(log.take(), "");
}

async fn over_redis(prefix: &str) -> CacheManager {
    let builder = CacheManager::builder()
        .redis_url(shared().url())
        .key_prefix(prefix);
    // A busy machine is no reason to go on without Redis.
    builder
        .op_budget(Duration::from_secs(5))
        .build()
        .await
        .expect("a cache")
}

#[tokio::test]
async fn a_hit_in_redis_says_so() {
    let prefix = unique_prefix();
    over_redis(&prefix).await.scope(told(2)).await;
    let (log, _listening) = Log::listen(Level::TRACE);
    let other = over_redis(&prefix).await;
    other.scope(told(2)).await;
    assert_eq!(other.get::<u64>("told:2").await, Some(2));
    assert_eq!(other.get::<u64>("told:3").await, None);
    let lines = log.take_with(&["cache_core"]);
    let hits = with_outcome(&lines, "TRACE", "hit");
    assert!(
        hits[0].contains("tier=\"redis\"") && hits[0].contains(FUNCTION),
        "{hits:#?}"
    );
    assert!(
        hits[1].contains("tier=\"memory\"") && hits[1].contains("function=\"(manager)\""),
        "{hits:#?}"
    );
    assert_eq!(with_outcome(&lines, "DEBUG", "miss").len(), 1, "{lines:#?}");
}

static FAILS: AtomicBool = AtomicBool::new(false);

#[cache_result(
    key = "aging:{id}",
    ttl = 10,
    stale_while_revalidate = 60,
    stale_if_error = 120
)]
async fn aging(id: u64) -> Result<u64, String> {
    tokio::time::sleep(Duration::from_millis(20)).await;
    if FAILS.load(SeqCst) {
        Err("broken".to_owned())
    } else {
        Ok(id)
    }
}

#[tokio::test(start_paused = true)]
async fn a_stale_value_and_its_refresh_in_the_background_are_told() {
    let (log, _listening) = Log::listen(Level::DEBUG);
    let cache = CacheManager::in_memory();
    let call = || cache.scope(aging(1));
    call().await.expect("a value");
    log.take();
    tokio::time::advance(Duration::from_secs(30)).await;
    call().await.expect("a value");
    tokio::time::sleep(Duration::from_secs(1)).await;
    let lines = log.take_with(&["cache_core", "function=\"it::told::aging\""]);
    for outcome in ["stale", "refresh"] {
        assert_eq!(with_outcome(&lines, "DEBUG", outcome).len(), 1, "{lines:#?}");
    }
    let load = with_outcome(&lines, "DEBUG", "loaded").pop().expect("a load");
    assert!(load.ends_with("background=true"), "{load}");
    let of_span = |line: &&String| line.contains("cache_load{") && line.contains("background=true}");
    assert!(lines.iter().any(|line| of_span(&line)), "{lines:#?}");

    FAILS.store(true, SeqCst);
    tokio::time::advance(Duration::from_secs(100)).await;
    call().await.expect("a stale value");
    let lines = log.take_with(&["cache_core", "function=\"it::told::aging\""]);
    for outcome in ["stale", "failed"] {
        assert_eq!(with_outcome(&lines, "DEBUG", outcome).len(), 1, "{lines:#?}");
    }
}

#[tokio::test]
async fn l3_a_cache_that_fails_says_so_once_for_each_change_and_never_for_a_call() {
    let server = RedisServer::start();
    let cache = CacheManager::connect(server.url()).await.expect("a cache");
    let (log, _listening) = Log::listen(Level::INFO);
    let calls = async |from: u64| {
        for id in from..from + 300 {
            cache.get::<u64>(format!("k:{id}")).await;
            cache.set(format!("k:{id}"), &id).await.expect("no error");
        }
    };
    let is = async |connected: bool| {
        let redis = cache.health().await.redis.expect("redis");
        redis.connected == connected && redis.channel == connected
    };
    calls(0).await;
    until_async("it is there", async || is(true).await).await;
    assert_eq!(log.take(), "");
    for round in 1..=2 {
        server.kill();
        calls(1000 * round).await;
        until_async("it is gone", async || is(false).await).await;
        calls(1000 * round + 500).await;
        // Attempts to connect have failed by then.
        tokio::time::sleep(Duration::from_millis(300)).await;
        let text = log.take();
        let warnings: Vec<&str> = text.lines().filter(|line| line.contains("WARN")).collect();
        let one = |what: &str| warnings.iter().filter(|line| line.contains(what)).count() == 1;
        assert!(
            one("Redis is gone") && one("the channel of invalidations is lost"),
            "{text}"
        );
        assert_eq!((warnings.len(), text.lines().count()), (2, 2), "{text}");
        server.restart();
        until_async("it is back", async || is(true).await).await;
        until_async("all is said", async || {
            cache.health().await.pending_invalidations == 0
        })
        .await;
        let text = log.take();
        let one = |what: &str| text.lines().filter(|line| line.contains(what)).count() == 1;
        assert!(
            one("INFO cache_core::remote::redis::connect: Redis is back"),
            "{text}"
        );
        assert!(one("the channel of invalidations is back"), "{text}");
        assert!(!text.contains("WARN"), "{text}");
    }
}

/// It cannot be written as JSON, and says what it is.
#[derive(Clone)]
struct Unwritable;

impl serde::Serialize for Unwritable {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("ann@example.com is no name"))
    }
}

impl<'de> serde::Deserialize<'de> for Unwritable {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(serde::de::Error::custom("it is never read"))
    }
}

#[cache_result(key = "unwritable:{id}")]
async fn unwritable(id: u64) -> Unwritable {
    let _ = id;
    Unwritable
}

#[tokio::test]
async fn a_function_whose_values_cannot_be_written_warns_once() {
    let cache = over_redis(&unique_prefix()).await;
    let (log, _listening) = Log::listen(Level::INFO);
    for id in 0..20 {
        cache.scope(unwritable(id)).await;
    }
    let text = log.take();
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(
        text.contains("WARN") && text.contains("template=\"unwritable:{id}\""),
        "{text}"
    );
    assert!(!text.contains("ann@example.com"), "{text}");
}

#[cache_result(key = "typed:{id}")]
async fn typed(id: u64) -> u64 {
    id
}

#[tokio::test]
async fn an_entry_that_does_not_decode_is_told_without_what_is_in_it() {
    let prefix = unique_prefix();
    let writer = over_redis(&prefix).await;
    writer.set("typed:1", "ann@example.com").await.expect("a value");
    let reader = over_redis(&prefix).await;
    let (log, _listening) = Log::listen(Level::TRACE);
    assert_eq!(reader.scope(typed(1)).await, 1);
    let text = log.take();
    assert!(
        text.contains("an entry does not decode") && text.contains("column"),
        "{text}"
    );
    assert!(!text.contains("ann"), "{text}");
}

#[tokio::test]
async fn an_invalidation_is_told_by_its_kind_and_count() {
    for cache in managers().await {
        for key in ["told:ann@example.com", "told:ben@example.com"] {
            cache
                .set(key, &1)
                .tags(["ann@example.com"])
                .await
                .expect("a value");
        }
        let (log, _listening) = Log::listen(Level::DEBUG);
        cache.delete("told:ann@example.com").await;
        cache.invalidate("told:*@example.com").await;
        cache.invalidate_tag("ann@example.com").await;
        let lines = log.take_with(&["something was invalidated"]);
        for (line, kind) in lines.iter().zip(["key", "pattern", "tag"]) {
            assert!(
                line.contains(&format!("kind=\"{kind}\"")) && line.contains("told=true"),
                "{line}"
            );
            assert!(kind == "tag" || line.contains("removed=1"), "{line}");
        }
        assert_eq!(lines.len(), 3, "{lines:#?}");
        assert!(lines.iter().all(|line| !line.contains("ann")), "{lines:#?}");
    }
}
