//! Redis absent, killed, hung, full (contract, section 7: L3 to L5): no error, little waiting, and back by itself.

use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use cache_core::{BackendMode, CacheManager, HealthStatus, cache_result};
use tests::RedisServer;
use tokio::sync::Notify;

static RUNS: AtomicU32 = AtomicU32::new(0);

#[cache_result(key = "value:{id}", ttl = 60)]
async fn value(id: u64) -> u64 {
    RUNS.fetch_add(1, SeqCst);
    id
}

async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) -> Duration {
    let started = Instant::now();
    while !is_so().await {
        assert!(started.elapsed() < Duration::from_secs(10), "still not: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    started.elapsed()
}

async fn redis_only(url: String) -> CacheManager {
    CacheManager::builder()
        .redis_url(url)
        .backend(BackendMode::Redis)
        .build()
        .await
        .expect("a cache")
}

#[tokio::test]
async fn l3_with_redis_absent_from_the_start_functions_run_and_memory_serves() {
    let server = RedisServer::start();
    server.kill();
    let cache = CacheManager::connect(server.url()).await.expect("no error");
    let before = RUNS.load(SeqCst);
    assert_eq!(cache.scope(value(1)).await + cache.scope(value(1)).await, 2);
    assert_eq!(RUNS.load(SeqCst) - before, 1);
    cache.set("k", &1).await.expect("no error");
    assert_eq!(cache.get("k").await, Some(1));
    assert_eq!(cache.get::<u8>("nothing").await, None);
    assert_eq!(cache.health().await.status, HealthStatus::Degraded);
    server.restart();
    let took = until("Redis is back", async || {
        cache.health().await.status == HealthStatus::Healthy
    })
    .await;
    assert!(took < Duration::from_secs(2), "{took:?}");
    cache.scope(value(2)).await;
    assert_eq!(server.cli(&["EXISTS", "app:value:2"]).trim(), "1");
}

#[tokio::test]
async fn l3_a_server_that_is_killed_costs_nothing_and_comes_back() {
    let server = RedisServer::start();
    let cache = redis_only(server.url()).await;
    cache.scope(value(1)).await;
    server.kill();
    for id in 0..200 {
        let started = Instant::now();
        assert_eq!(cache.scope(value(id)).await, id);
        assert!(started.elapsed() < Duration::from_millis(400));
    }
    server.restart();
    let took = until("a hit in Redis", async || {
        let before = cache.stats().total.redis_hits;
        cache.scope(value(1)).await;
        cache.stats().total.redis_hits > before
    })
    .await;
    assert!(took < Duration::from_secs(2), "{took:?}");
}

#[tokio::test]
async fn l3_a_hung_server_costs_three_budgets_and_then_nothing() {
    let server = RedisServer::start();
    let cache = CacheManager::builder()
        .redis_url(server.url())
        .backend(BackendMode::Redis)
        .op_budget(Duration::from_millis(50))
        .build()
        .await
        .expect("a cache");
    cache.scope(value(1)).await;
    server.pause();
    let started = Instant::now();
    let mut slow = 0;
    for id in 0..100 {
        let call = Instant::now();
        cache.scope(value(id)).await;
        slow += u32::from(call.elapsed() > Duration::from_millis(30));
    }
    // The bound is generous: other processes share this machine.
    assert!(
        slow <= 4 && started.elapsed() < Duration::from_secs(1),
        "{slow} slow calls, {:?}",
        started.elapsed()
    );
    server.resume();
    until("a hit in Redis", async || {
        let before = cache.stats().total.redis_hits;
        cache.scope(value(1)).await;
        cache.stats().total.redis_hits > before
    })
    .await;
}

#[tokio::test]
async fn l4_an_invalidation_during_an_outage_reaches_redis_before_the_old_value_is_read() {
    let server = RedisServer::start_with(&["--save", "", "--appendonly", "yes", "--appendfsync", "always"]);
    let cache = CacheManager::connect(server.url()).await.expect("a cache");
    cache.set("k", "old").await.expect("stored");
    server.pause();
    cache.delete("k").await;
    assert_eq!(cache.get::<String>("k").await, None);
    assert_eq!(cache.health().await.pending_invalidations, 1);
    server.resume();
    until("nothing is pending", async || {
        cache.health().await.pending_invalidations == 0
    })
    .await;
    assert_eq!(cache.get::<String>("k").await, None);
    assert_eq!(server.cli(&["EXISTS", "app:k"]).trim(), "0");
}

#[tokio::test]
async fn l5_a_full_or_read_only_server_is_no_error() {
    let server = RedisServer::start_with(&["--maxmemory", "1", "--maxmemory-policy", "noeviction"]);
    let cache = redis_only(server.url()).await;
    assert_eq!(cache.scope(value(1)).await, 1);
    cache.set("k", &1).await.expect("no error");
    server.cli(&["CONFIG", "SET", "maxmemory", "0"]);
    server.cli(&["REPLICAOF", "127.0.0.1", "1"]);
    assert_eq!(cache.scope(value(1)).await, 1);
    server.cli(&["REPLICAOF", "NO", "ONE"]);
    until("a hit in Redis", async || {
        let before = cache.stats().total.redis_hits;
        cache.scope(value(1)).await;
        cache.stats().total.redis_hits > before
    })
    .await;
}

#[tokio::test]
async fn l2_without_the_channel_memory_serves_for_the_degraded_ttl() {
    let server = RedisServer::start();
    let cache = CacheManager::builder()
        .redis_url(server.url())
        .degraded_ttl(Duration::from_millis(200))
        .build()
        .await
        .expect("a cache");
    cache.set("k", &1).await.expect("stored");
    server.kill();
    until("the loss is noticed", async || {
        cache.health().await.redis.is_some_and(|redis| !redis.channel)
    })
    .await;
    until("memory stops serving", async || {
        cache.get::<u8>("k").await.is_none()
    })
    .await;
}

#[test]
fn a_manager_outlives_the_runtime_it_was_made_in() {
    let server = RedisServer::start();
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime")
    };
    let cache = runtime().block_on(redis_only(server.url()));
    runtime().block_on(async {
        cache.scope(value(1)).await;
        until("a hit in Redis", async || {
            cache.scope(value(1)).await;
            cache.stats().total.redis_hits > 0
        })
        .await;
    });
}

#[tokio::test]
async fn l4_the_invalidation_of_a_tag_during_an_outage_is_not_undone() {
    let server = RedisServer::start();
    let cache = CacheManager::connect(server.url()).await.expect("a cache");
    cache.set("k", "old").tags(["t"]).await.expect("stored");
    server.pause();
    for _ in 0..4 {
        cache.get::<u8>("nothing").await;
    }
    cache.invalidate_tag("t").await;
    server.resume();
    until("nothing is pending", async || {
        assert_eq!(cache.get::<String>("k").await, None);
        cache.health().await.pending_invalidations == 0
    })
    .await;
    let other = CacheManager::connect(server.url()).await.expect("a cache");
    assert_eq!(
        (cache.get::<String>("k").await, other.get::<String>("k").await),
        (None, None)
    );
    // Both agree on what is there from here on.
    cache.set("k", "new").tags(["t"]).await.expect("stored");
    assert_eq!(other.get::<String>("k").await.as_deref(), Some("new"));
}

#[tokio::test]
async fn l5_a_refused_batch_does_not_bring_older_values_back() {
    let server = RedisServer::start();
    let cache = CacheManager::builder()
        .redis_url(server.url())
        .memory_ttl(Duration::from_millis(50))
        .build()
        .await
        .expect("a cache");
    cache.set_many([("k", "old")]).await.expect("stored");
    server.cli(&["CONFIG", "SET", "maxmemory", "1"]);
    cache.set_many([("k", "new")]).await.expect("no error");
    tokio::time::sleep(Duration::from_millis(60)).await;
    assert_ne!(cache.get::<String>("k").await.as_deref(), Some("old"));
}

#[tokio::test]
async fn l3_all_targets_of_one_function_have_one_budget() {
    #[cache_core::invalidate_cache("a:{id}:*", "b:{id}:*", "c:{id}", "d:{id}")]
    async fn change(id: u64) {
        let _ = id;
    }
    let server = RedisServer::start();
    let cache = CacheManager::connect(server.url()).await.expect("a cache");
    server.pause();
    let started = Instant::now();
    cache.scope(change(1)).await;
    assert!(
        started.elapsed() < Duration::from_millis(400),
        "{:?}",
        started.elapsed()
    );
    assert_eq!(cache.health().await.pending_invalidations, 4);
    server.resume();
    until("nothing is pending", async || {
        cache.health().await.pending_invalidations == 0
    })
    .await;
}

/// Keeps all timers of this runtime from going off until it is ended, and for ten seconds at most.
struct Standstill(mpsc::Sender<()>);

impl Standstill {
    fn begin() -> Self {
        let (end, ended) = mpsc::channel();
        tokio::time::pause();
        // A paused clock does not move by itself while such a task runs.
        tokio::task::spawn_blocking(move || ended.recv_timeout(Duration::from_secs(10)));
        Self(end)
    }

    /// Lets the task that runs elsewhere on this thread go on until this is so.
    async fn until(&self, is_so: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while !is_so() {
            assert!(Instant::now() < deadline, "it does not come to that");
            std::thread::sleep(Duration::from_millis(1));
            tokio::task::yield_now().await;
        }
    }

    fn end(self, what: &str) {
        assert!(self.0.send(()).is_ok(), "it took a timer: {what}");
    }
}

#[tokio::test]
async fn l3_one_who_waits_for_another_process_goes_on_when_redis_is_gone_and_not_at_the_next_look() {
    for how in ["it is killed", "the breaker opens"] {
        let server = RedisServer::start();
        let cache = async || CacheManager::connect(server.url()).await.expect("a cache");
        let (here, other) = (cache().await, cache().await);
        until("the channel stands", async || {
            let redis = here.health().await.redis;
            redis.is_some_and(|redis| redis.channel)
        })
        .await;
        let entered = Arc::new(Notify::new());
        let inside = Arc::clone(&entered);
        let holder = tokio::spawn(async move {
            let load = || async move {
                inside.notify_one();
                std::future::pending::<Result<u8, ()>>().await
            };
            other.get_or_fetch("k", load).await
        });
        entered.notified().await;
        let standstill = Standstill::begin();
        let monitor = server.monitor();
        let waiting = here.clone();
        let call =
            tokio::spawn(async move { waiting.get_or_fetch("k", || async { Ok::<_, ()>(1_u8) }).await });
        let is_claim = |command: &String| command.contains("\"fill\"");
        standstill.until(|| monitor.commands().iter().any(is_claim)).await;
        drop(monitor);
        // The answer says that it is held. The next look would be one that no timer comes to.
        let answered = Instant::now() + Duration::from_millis(20);
        standstill.until(|| Instant::now() > answered).await;
        assert!(!call.is_finished());
        if how == "it is killed" {
            server.kill();
        } else {
            // The channel stands, and somebody else finds out.
            server.cli(&["REPLICAOF", "127.0.0.1", "1"]);
            here.set("another", &1).await.expect("no error");
        }
        assert_eq!(call.await.expect("no panic"), Ok(1));
        standstill.end(how);
        tokio::time::resume();
        holder.abort();
    }
}

#[tokio::test]
async fn s2_a_claim_whose_answer_is_lost_is_given_back() {
    let server = RedisServer::start();
    let builder = CacheManager::builder()
        .redis_url(server.url())
        .lease(Duration::from_secs(60));
    // Enough for a busy machine, and less than it takes until a release is given up.
    let builder = builder.op_budget(Duration::from_millis(500));
    let cache = builder
        .backend(BackendMode::Redis)
        .build()
        .await
        .expect("a cache");
    // From here on the nonces and the scripts are known.
    cache.scope(value(1)).await;
    let monitor = server.monitor();
    // What is read is answered; what may write waits for longer than a call does.
    server.cli(&["CLIENT", "PAUSE", "60000", "WRITE"]);
    assert_eq!(cache.scope(value(2)).await, 2);
    server.cli(&["CLIENT", "UNPAUSE"]);
    until("the key is claimed", async || {
        let is_claim = |command: &String| command.contains("app:value:2") && command.contains("\"fill\"");
        monitor.commands().iter().any(is_claim)
    })
    .await;
    until("the claim is given back", async || {
        server.cli(&["EXISTS", "app:value:2"]) == "0"
    })
    .await;
}

#[tokio::test]
async fn l5_a_full_server_lets_go_of_the_nonce_that_was_replaced() {
    let server = RedisServer::start();
    let cache = CacheManager::connect(server.url()).await.expect("a cache");
    cache.set("k", "old").tags(["t"]).await.expect("stored");
    server.cli(&["CONFIG", "SET", "maxmemory", "1"]);
    cache.invalidate_tag("t").await;
    assert_eq!(cache.health().await.pending_invalidations, 0);
    let other = CacheManager::connect(server.url()).await.expect("a cache");
    assert_eq!(other.get::<String>("k").await, None);
}

/// The task that repeats them is dropped with its runtime, and must not start itself anew there.
#[test]
fn a_runtime_that_ends_while_invalidations_are_pending_ends_in_peace() {
    use tokio::runtime::Builder;
    let server = RedisServer::start();
    for mut builder in [Builder::new_current_thread(), Builder::new_multi_thread()] {
        let runtime = builder.enable_all().build().expect("a runtime");
        let cache = runtime.block_on(async {
            let cache = redis_only(server.url()).await;
            cache.set("k", &1).await.expect("stored");
            server.pause();
            cache.delete("k").await;
            assert_eq!(cache.health().await.pending_invalidations, 1);
            cache
        });
        drop(runtime);
        server.resume();
        let runtime = builder.build().expect("a runtime");
        runtime.block_on(until("nothing is pending", async || {
            assert_eq!(cache.get::<u8>("k").await, None);
            cache.health().await.pending_invalidations == 0
        }));
        assert_eq!(server.cli(&["EXISTS", "app:k"]), "0");
    }
}
