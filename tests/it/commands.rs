//! What Redis is asked, as its `MONITOR` sees it (contract: G4, M3, and the price of hits and misses).

use std::time::Duration;

use cache_core::{BackendMode, CacheManager, cache_result, invalidate_cache};
use tests::RedisServer;
use tokio::task::JoinSet;

use crate::places::over;

#[cache_result(key = "doc:{id}", tags = ["shelf"])]
async fn doc(id: u64) -> u64 {
    id
}

#[invalidate_cache("doc:*")]
async fn burn() {}

#[invalidate_cache(doc(..))]
async fn rewrite() {}

/// The names of commands, with that of the script's key.
fn brief(commands: &[String]) -> Vec<String> {
    let brief = |command: &String| {
        let words: Vec<&str> = command.split('"').skip(1).step_by(2).collect();
        match words[..] {
            ["EVALSHA" | "EVAL", _, _, key, ..] => format!("script {key}"),
            [name, key, ..] => format!("{name} {key}"),
            [name] => name.to_owned(),
            [] => String::new(),
        }
    };
    // What is sent every second comes when it comes.
    let beat = |command: &str| {
        ["%invalidations:", " h ", " ? "]
            .iter()
            .any(|sign| command.contains(sign))
    };
    let own = |command: &&String| {
        let says = |name: &str| command.starts_with(name);
        !(says("\"PING\"") || says("\"PUBLISH\"") && beat(command))
    };
    commands.iter().filter(own).map(brief).collect()
}

/// Has the server know every script, so that none is sent twice.
async fn warm(cache: &CacheManager) {
    cache.scope(doc(0)).await;
    cache.invalidate_tag("nothing").await;
    cache.delete("nothing").await;
}

#[tokio::test]
async fn a_hit_in_redis_is_one_get() {
    let server = RedisServer::start();
    let (one, two) = (over(&server).await, over(&server).await);
    for id in 0..3 {
        one.scope(doc(id)).await;
    }
    // The first reader of a namespace asks for its nonces.
    two.scope(doc(0)).await;
    let monitor = server.monitor();
    two.scope(doc(1)).await;
    two.scope(doc(2)).await;
    assert_eq!(brief(&monitor.commands()), ["GET app:doc:1", "GET app:doc:2"]);
    assert_eq!(two.stats().functions["it::commands::doc"].redis_hits, 3);
}

#[tokio::test]
async fn a_miss_is_a_get_a_claim_and_a_commit() {
    let server = RedisServer::start();
    warm(&over(&server).await).await;
    let cache = over(&server).await;
    let monitor = server.monitor();
    cache.scope(doc(1)).await;
    assert_eq!(
        brief(&monitor.commands()),
        [
            "GET app:doc:1",
            "script app:%of:doc:*",
            "script app:%ns:doc",
            "script app:%tag:shelf",
            "script app:doc:1",
            "script app:doc:1",
        ]
    );
    // The nonces are known for a while.
    let monitor = server.monitor();
    cache.scope(doc(2)).await;
    assert_eq!(
        brief(&monitor.commands()),
        ["GET app:doc:2", "script app:doc:2", "script app:doc:2"]
    );
    // The scripts touch the one key that they are given: a claim and a commit read and write it and nothing else.
    let inside: Vec<String> = monitor
        .lines()
        .into_iter()
        .filter(|line| line.contains(" lua]"))
        .collect();
    assert!(
        inside
            .iter()
            .all(|line| line.contains("app:doc:2") || line.ends_with("\"TIME\"")),
        "{inside:?}"
    );
}

async fn fill(cache: &CacheManager, count: u64) {
    let mut filling = JoinSet::new();
    for lane in 0..20 {
        let cache = cache.clone();
        filling.spawn(async move {
            for id in (lane..count).step_by(20) {
                cache.scope(doc(id)).await;
            }
        });
    }
    filling.join_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g4_invalidating_a_tag_a_namespace_or_a_function_costs_the_same_for_ten_and_for_ten_thousand() {
    let server = RedisServer::start();
    let cache = over(&server).await;
    warm(&cache).await;
    let other = over(&server).await;
    for count in [10, 10_000] {
        fill(&cache, count).await;
        for kind in ["tag", "namespace", "function"] {
            // The others have not left Redis: they are misses from here on.
            fill(&cache, 10).await;
            let last = format!("app:doc:{}", count - 1);
            assert_eq!(server.cli(&["EXISTS", "app:doc:1", &last]), "2");
            let monitor = server.monitor();
            match kind {
                "tag" => cache.invalidate_tag("shelf").await,
                "namespace" => cache.scope(burn()).await,
                _ => cache.scope(rewrite()).await,
            }
            let mut asked = brief(&monitor.commands());
            asked.sort();
            // One script each; a function also takes along what was stored under its keys without it.
            let expected = match kind {
                "tag" => &["script app:%tag:shelf"][..],
                "namespace" => &["script app:%ns:doc"],
                _ => &["script app:%of:doc", "script app:%of:doc:*"],
            };
            assert_eq!(asked, expected, "{kind} of {count}");
            // What a script does is to take the old nonce away, to write the new one, and to tell of it.
            let inside = monitor
                .lines()
                .iter()
                .filter(|line| line.contains(" lua]"))
                .count();
            assert_eq!(inside, 3 * expected.len(), "{kind} of {count}");
            for id in [0, 9, count - 1] {
                let key = format!("doc:{id}");
                assert_eq!(cache.get::<u64>(&key).await, None, "{kind} {id}");
                assert_eq!(other.get::<u64>(&key).await, None, "{kind} {id}");
            }
        }
    }
}

#[tokio::test]
async fn m3_nothing_uses_keys() {
    let server = RedisServer::start();
    let cache = over(&server).await;
    let monitor = server.monitor();
    fill(&cache, 20).await;
    cache.set("k:1", &1).tags(["t"]).await.expect("stored");
    cache.set_many([("k:2", 2)]).await.expect("stored");
    cache.get_many::<u8>(&["k:1", "k:2"]).await;
    cache.invalidate("k:*").await;
    cache.invalidate("*:1*").await;
    cache.invalidate_tag("t").await;
    cache.scope(burn()).await;
    cache.scope(rewrite()).await;
    cache.delete("k:1").await;
    cache.delete_many(&["k:1"]).await;
    cache.exists("k:1").await;
    cache.ttl("k:1").await;
    cache.clear().await;
    cache.health().await;
    let lines = monitor.lines();
    assert!(lines.len() > 50, "{lines:?}");
    for word in [
        "\"KEYS\"",
        "\"SMEMBERS\"",
        "\"FLUSHDB\"",
        "\"FLUSHALL\"",
        "\"SORT\"",
        "\"HGETALL\"",
    ] {
        assert!(
            !lines.iter().any(|line| line.to_uppercase().contains(word)),
            "{word}"
        );
    }
}

/// A manager that reads all from Redis, which has so many numbers under `n:{n}`.
async fn of_numbers(server: &RedisServer, count: u32, gather_reads: bool) -> CacheManager {
    let builder = CacheManager::builder()
        .redis_url(server.url())
        .backend(BackendMode::Redis)
        .gather_reads(gather_reads)
        .op_budget(Duration::from_secs(5));
    let cache = builder.build().await.expect("a cache");
    let numbers = (0..count).map(|n| (format!("n:{n}"), n));
    cache.set_many(numbers).await.expect("stored");
    cache
}

#[tokio::test]
async fn reads_that_are_under_way_at_once_ride_together_and_each_gets_its_own() {
    let server = RedisServer::start();
    let cache = of_numbers(&server, 200, true).await;
    let monitor = server.monitor();
    // The last ones are not there, and some are given up at once.
    let reads = (0..250).map(|n| {
        let cache = cache.clone();
        tokio::spawn(async move {
            let read = cache.get::<u32>(format!("n:{n}"));
            if n % 10 == 9 {
                let _ = tokio::time::timeout(Duration::ZERO, read).await;
                None
            } else {
                Some((n, read.await))
            }
        })
    });
    for read in reads.collect::<Vec<_>>() {
        if let Some((n, value)) = read.await.expect("no panic") {
            assert_eq!(value, (n < 200).then_some(n), "{n}");
        }
    }
    let commands = monitor.commands();
    let count = |name: &str| commands.iter().filter(|command| command.contains(name)).count();
    assert!(count("\"GET\"") < 100 && count("\"MGET\"") > 0, "{commands:?}");
}

/// What 128 tasks send that read one key after another, twenty each.
async fn commands_of_many_readers(gather_reads: bool) -> Vec<String> {
    let server = RedisServer::start();
    let cache = of_numbers(&server, 128, gather_reads).await;
    let monitor = server.monitor();
    let readers = (0..128).map(|n| {
        let cache = cache.clone();
        tokio::spawn(async move {
            for _ in 0..20 {
                assert_eq!(cache.get::<u32>(format!("n:{n}")).await, Some(n));
            }
        })
    });
    for reader in readers.collect::<Vec<_>>() {
        reader.await.expect("no panic");
    }
    let mut commands = monitor.commands();
    commands.retain(|command| command.contains("GET\""));
    commands
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_of_tasks_that_were_woken_together_ride_together_again() {
    let commands = commands_of_many_readers(true).await;
    // 2560 reads; the scheduler decides how many of them are ready at once.
    assert!(commands.len() < 2560 / 4, "{}", commands.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_read_is_a_get_where_that_was_said() {
    let commands = commands_of_many_readers(false).await;
    assert_eq!(commands.len(), 2560);
    assert!(!commands.iter().any(|command| command.contains("\"MGET\"")));
}
