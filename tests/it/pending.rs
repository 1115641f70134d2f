//! Invalidations that Redis has not taken, or that it does not let us tell of (contract, section 7: L3, L4).

use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::{Duration, Instant};

use cache_core::{BackendMode, CacheManager, cache_result, invalidate_cache};
use tests::RedisServer;
use tokio::sync::Notify;

static VERSION: AtomicU32 = AtomicU32::new(0);

#[cache_result(key = "shop:{id}:name", tags = ["city"])]
async fn name(id: u32) -> u32 {
    let _ = id;
    VERSION.load(SeqCst)
}

#[invalidate_cache("shop:*")]
async fn by_namespace() {}

#[invalidate_cache(name(..))]
async fn by_function() {}

const WAYS: [&str; 6] = ["key", "pattern", "tag", "function", "namespace", "clear"];

async fn invalidate(cache: &CacheManager, how: &str) {
    match how {
        "key" => drop(cache.delete("shop:1:name").await),
        "pattern" => drop(cache.invalidate("sh*:1:name").await),
        "tag" => cache.invalidate_tag("city").await,
        "function" => cache.scope(by_function()).await,
        "namespace" => cache.scope(by_namespace()).await,
        _ => cache.clear().await,
    }
}

/// A server, and the address of a user of it with these rights.
fn server_for(rights: &[&str]) -> (RedisServer, String) {
    let server = RedisServer::start();
    let url = format!("redis://app:secret@127.0.0.1:{}/", server.port());
    allow(&server, &[&["on", ">secret", "~*", "+@all"], rights].concat());
    (server, url)
}

fn allow(server: &RedisServer, rights: &[&str]) {
    assert_eq!(server.cli(&[&["ACL", "SETUSER", "app"], rights].concat()), "OK");
}

async fn redis_only(url: &str) -> CacheManager {
    let builder = CacheManager::builder().redis_url(url).backend(BackendMode::Redis);
    // Nonces are asked for again and again.
    let builder = builder.memory_ttl(Duration::from_millis(1));
    builder.build().await.expect("a cache")
}

async fn pending(cache: &CacheManager) -> u64 {
    cache.health().await.pending_invalidations
}

async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !is_so().await {
        assert!(started.elapsed() < Duration::from_secs(10), "still not: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn l4_what_redis_refused_to_invalidate_is_not_read_from_it() {
    let (server, url) = server_for(&["&*"]);
    for how in WAYS {
        let cache = redis_only(&url).await;
        let old = VERSION.load(SeqCst);
        assert_eq!(cache.scope(name(1)).await, old, "{how}");
        allow(&server, &["-del", "-unlink"]);
        let new = VERSION.fetch_add(1, SeqCst) + 1;
        invalidate(&cache, how).await;
        assert!(pending(&cache).await > 0, "{how}");
        // Redis answers, and still has the old entry.
        assert_eq!(server.cli(&["EXISTS", "app:shop:1:name"]), "1", "{how}");
        for _ in 0..3 {
            assert_eq!(cache.scope(name(1)).await, new, "{how}");
            assert_ne!(cache.get("shop:1:name").await, Some(old), "{how}");
        }
        allow(&server, &["+del", "+unlink"]);
        until("nothing is pending", async || pending(&cache).await == 0).await;
        for cache in [&cache, &redis_only(&url).await] {
            assert_eq!(cache.scope(name(1)).await, new, "{how}");
        }
    }
}

#[tokio::test]
async fn g1_a_load_before_an_invalidation_that_redis_refused_is_not_stored() {
    let (server, url) = server_for(&["&*"]);
    for how in WAYS {
        let (cache, other) = (redis_only(&url).await, redis_only(&server.url()).await);
        let (entered, go) = (Notify::new(), Notify::new());
        let loading = cache.get_or_fetch("shop:1:name", || async {
            entered.notify_one();
            go.notified().await;
            Ok::<u32, ()>(1)
        });
        let invalidating = async {
            entered.notified().await;
            allow(&server, &["-del", "-unlink"]);
            invalidate(&cache, how).await;
            go.notify_one();
        };
        let (loaded, ()) = tokio::join!(loading.tags(["city"]).into_future(), invalidating);
        assert_eq!(loaded, Ok(1), "{how}");
        assert!(pending(&cache).await > 0, "{how}");
        // Redis would have taken it.
        assert_eq!(other.get::<u32>("shop:1:name").await, None, "{how}");
        allow(&server, &["+del", "+unlink"]);
        until("nothing is pending", async || pending(&cache).await == 0).await;
        server.cli(&["FLUSHALL"]);
    }
}

#[tokio::test]
async fn l4_a_call_after_an_outage_does_not_see_what_was_invalidated_in_it() {
    let server = RedisServer::start();
    for how in WAYS {
        let cache = redis_only(&server.url()).await;
        let old = VERSION.load(SeqCst);
        assert_eq!(cache.scope(name(1)).await, old, "{how}");
        server.pause();
        let new = VERSION.fetch_add(1, SeqCst) + 1;
        invalidate(&cache, how).await;
        server.resume();
        until("nothing is pending", async || {
            assert_eq!(cache.scope(name(1)).await, new, "{how}");
            pending(&cache).await == 0
        })
        .await;
        for cache in [&cache, &redis_only(&server.url()).await] {
            assert_eq!(cache.scope(name(1)).await, new, "{how}");
        }
    }
}

#[tokio::test]
async fn g2_an_invalidation_holds_in_its_own_process_though_nothing_is_heard() {
    let (_server, url) = server_for(&["resetchannels"]);
    let cache = CacheManager::connect(url).await.expect("a cache");
    for how in WAYS {
        let old = VERSION.load(SeqCst);
        assert_eq!(cache.scope(name(1)).await, old, "{how}");
        let new = VERSION.fetch_add(1, SeqCst) + 1;
        invalidate(&cache, how).await;
        assert_eq!(cache.scope(name(1)).await, new, "{how}");
    }
}

/// Redis may have taken one whose answer was lost, and another process may have invalidated since: the same nonce once
/// more would bring back what was stored between the two.
#[tokio::test]
async fn l4_an_invalidation_that_is_repeated_has_a_nonce_of_its_own_each_time() {
    let (server, url) = server_for(&["&*", "-del"]);
    // From here on the script is known.
    redis_only(&server.url()).await.invalidate_tag("other").await;
    let cache = redis_only(&url).await;
    let monitor = server.monitor();
    cache.invalidate_tag("t").await;
    let mut nonces: Vec<String> = Vec::new();
    until("it is repeated twice", async || {
        let commands = monitor.commands();
        let told = commands
            .iter()
            .filter(|command| command.contains("\"app:%tag:t\""));
        nonces = told
            .filter_map(|command| Some(command.split('"').nth(9)?.to_owned()))
            .collect();
        nonces.len() >= 3
    })
    .await;
    let count = nonces.len();
    nonces.sort();
    nonces.dedup();
    assert_eq!(nonces.len(), count, "{nonces:?}");
}

#[tokio::test]
async fn l3_a_user_who_may_not_publish_has_a_cache_all_the_same() {
    let (server, url) = server_for(&["resetchannels"]);
    let (one, two) = (redis_only(&url).await, redis_only(&url).await);
    for how in ["delete", "delete_many", "pattern", "tag", "clear"] {
        one.set("k", &1).tags(["t"]).await.expect("stored");
        one.set_many([("l", 2)]).await.expect("stored");
        assert_eq!(two.get_many(["k", "l"]).await, [Some(1), Some(2)], "{how}");
        match how {
            "delete" => assert!(one.delete("k").await),
            "delete_many" => assert_eq!(one.delete_many(["k", "l"]).await, 2),
            "pattern" => assert_eq!(one.invalidate("[k]").await, 1),
            "tag" => one.invalidate_tag("t").await,
            _ => one.clear().await,
        }
        assert_eq!(pending(&one).await, 0, "{how}");
        assert_eq!(two.get::<u8>("k").await, None, "{how}");
    }
    // Functions share their entries, and a load that fails frees who waits for it.
    let version = one.scope(name(1)).await;
    assert_eq!(two.scope(name(1)).await, version);
    assert_eq!(two.stats().total.loads, 0);
    let (entered, go) = (Notify::new(), Notify::new());
    let failing = one.get_or_fetch("load", || async {
        entered.notify_one();
        go.notified().await;
        Err::<u8, &str>("broken")
    });
    let waiting = async {
        entered.notified().await;
        two.get_or_fetch("load", || async { Ok::<u8, &str>(2) }).await
    };
    let letting_go = async {
        until("the load is awaited", async || {
            server.cli(&["GETRANGE", "app:load", "41", "41"]) == "\u{3}"
        })
        .await;
        go.notify_one();
    };
    // The lease is ten seconds.
    let all = async { tokio::join!(failing.into_future(), waiting, letting_go) };
    let (failed, loaded, ()) = tokio::time::timeout(Duration::from_secs(5), all)
        .await
        .expect("in time");
    assert_eq!((failed, loaded), (Err("broken"), Ok(2)));
    assert_eq!((pending(&one).await, pending(&two).await), (0, 0));
}

#[tokio::test]
async fn g5_of_two_nonces_that_come_at_once_all_keep_the_last() {
    let server = RedisServer::start();
    let cache = async || {
        let builder = CacheManager::builder().redis_url(server.url());
        builder
            .op_budget(Duration::from_secs(5))
            .build()
            .await
            .expect("a cache")
    };
    let (one, two, three) = (cache().await, cache().await, cache().await);
    // From here on the scripts are known.
    one.set("k", &0).tags(["t"]).await.expect("stored");
    let waiting = |count: usize| {
        let clients = server.cli(&["CLIENT", "LIST"]);
        clients
            .lines()
            .filter(|client| client.contains(" flags=b "))
            .count()
            == count
    };
    // Both have replaced it for themselves before Redis takes that of the first.
    server.cli(&["CLIENT", "PAUSE", "60000", "WRITE"]);
    let first = async {
        until("none waits", async || waiting(0)).await;
        one.invalidate_tag("t").await;
    };
    let second = async {
        until("the first waits", async || waiting(1)).await;
        two.invalidate_tag("t").await;
    };
    let resumed = async {
        until("both wait", async || waiting(2)).await;
        server.cli(&["CLIENT", "UNPAUSE"]);
    };
    tokio::join!(first, second, resumed);
    // One that kept another nonce would store what nobody else takes.
    for (cache, value) in [(&one, 1), (&two, 2)] {
        until("all agree", async || {
            cache.set("k", &value).tags(["t"]).await.expect("stored");
            three.get("k").await == Some(value)
        })
        .await;
    }
    assert_eq!((pending(&one).await, pending(&two).await), (0, 0));
}
