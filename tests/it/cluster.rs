//! The same on a cluster (contract, section 7: L3 to L5, G5): a node that dies, hangs or comes back costs its own slots
//! alone, and a slot may move under calls.

use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::{Duration, Instant};

use cache_core::{BackendMode, CacheManager, CacheManagerBuilder, HealthStatus, RedisMode, cache_result};
use tests::RedisCluster;

use crate::settled::{until, until_async};

static RUNS: AtomicU32 = AtomicU32::new(0);

#[cache_result(key = "value:{id}", ttl = 60, tags = ["even:{even}"], skip(even))]
async fn value(id: u64, even: bool) -> String {
    let _ = even;
    format!("{id} of run {}", RUNS.fetch_add(1, SeqCst))
}

async fn all(cache: &CacheManager) -> Vec<String> {
    let mut values = Vec::new();
    for id in 0..60 {
        values.push(cache.scope(value(id, id % 2 == 0)).await);
    }
    values
}

fn builder(cluster: &RedisCluster) -> CacheManagerBuilder {
    CacheManager::builder()
        .redis_url(cluster.url())
        // Other processes share this machine.
        .op_budget(Duration::from_secs(1))
}

async fn manager(cluster: &RedisCluster) -> CacheManager {
    builder(cluster).build().await.expect("a cache")
}

async fn redis_only(cluster: &RedisCluster) -> CacheManager {
    let builder = builder(cluster).backend(BackendMode::Redis);
    builder.build().await.expect("a cache")
}

/// A raw key on each node.
fn keys(cluster: &RedisCluster) -> [String; 3] {
    std::array::from_fn(|node| {
        let mut candidates = (0..).map(|n| format!("key:{n}"));
        candidates
            .find(|key| cluster.owner(&format!("app:{key}")) == node)
            .expect("one of many")
    })
}

/// A raw key that does not depend on a node, neither for itself nor for its generations.
fn key_apart_from(cluster: &RedisCluster, node: usize) -> String {
    let mut namespaces = (0..).map(|n| format!("apart-{n}"));
    let apart = |namespace: &String| {
        let keys = [
            format!("{namespace}:1"),
            format!("%ns:{namespace}"),
            format!("%of:{namespace}"),
        ];
        keys.iter()
            .all(|key| cluster.owner(&format!("app:{key}")) != node)
    };
    format!("{}:1", namespaces.find(apart).expect("one of many"))
}

#[tokio::test]
async fn attributes_and_invalidations_are_the_same_on_a_cluster() {
    let cluster = RedisCluster::start();
    let (here, there) = (manager(&cluster).await, manager(&cluster).await);
    let first = all(&here).await;
    assert_eq!(all(&there).await, first);
    assert_eq!(there.stats().total.redis_hits, 60);
    for node in cluster.nodes() {
        assert_ne!(node.cli(&["DBSIZE"]), "0");
    }

    assert!(here.delete("value:1").await);
    here.invalidate_tag("even:true").await;
    let second = all(&here).await;
    let changed = |id: &usize| first[*id] != second[*id];
    assert!(
        (0..60)
            .filter(changed)
            .eq((0..60).filter(|id| id % 2 == 0 || *id == 1))
    );
    until_async("the other process has heard", async || {
        all(&there).await == second
    })
    .await;

    assert_eq!(here.invalidate("value:?").await, 10);
    let third = all(&here).await;
    assert!((0..60).filter(|id| second[*id] != third[*id]).eq(0..10));
    here.invalidate("value:*").await;
    let fourth = all(&here).await;
    assert!((0..60).all(|id| third[id] != fourth[id]));
    until_async("the other process has heard", async || {
        all(&there).await == fourth
    })
    .await;

    here.clear().await;
    for node in cluster.nodes() {
        assert_eq!(node.cli(&["DBSIZE"]), "0");
    }
}

#[tokio::test]
async fn m4_batches_go_over_all_slots() {
    let cluster = RedisCluster::start();
    let (here, there) = (manager(&cluster).await, manager(&cluster).await);
    let pairs: Vec<(String, usize)> = (0..250).map(|n| (format!("k:{n}"), n)).collect();
    here.set_many(pairs.clone()).await.expect("stored");
    let keys: Vec<String> = pairs.into_iter().map(|(key, _)| key).collect();
    let values = there.get_many::<usize>(&keys).await;
    assert_eq!(values, (0..250).map(Some).collect::<Vec<_>>());
    assert_eq!(here.delete_many(&keys).await, 250);
    until_async("the other process has heard", async || {
        there.get_many::<usize>(&keys).await.iter().all(Option::is_none)
    })
    .await;
}

#[tokio::test]
async fn l3_a_hung_node_costs_its_own_slots_alone() {
    let cluster = RedisCluster::start();
    let builder = builder(&cluster).backend(BackendMode::Redis);
    let cache = builder
        .op_budget(Duration::from_millis(200))
        .build()
        .await
        .expect("a cache");
    let keys = keys(&cluster);
    cache
        .set_many(keys.clone().map(|key| (key, 1)))
        .await
        .expect("stored");
    cluster.nodes()[0].pause();
    // A batch gives what the others have.
    assert_eq!(cache.get_many::<u8>(&keys).await, [None, Some(1), Some(1)]);
    let started = Instant::now();
    let mut slow = 0;
    for _ in 0..100 {
        let call = Instant::now();
        assert_eq!(cache.get::<u8>(&keys[0]).await, None);
        slow += u32::from(call.elapsed() > Duration::from_millis(150));
        assert_eq!(cache.get::<u8>(&keys[1]).await, Some(1));
        assert_eq!(cache.get::<u8>(&keys[2]).await, Some(1));
    }
    // Three timeouts; the bound in time is generous, as other processes share this machine.
    assert!(
        slow <= 4 && started.elapsed() < Duration::from_secs(3),
        "{slow}, {:?}",
        started.elapsed()
    );
    let health = cache.health().await;
    let redis = health.redis.expect("there is one");
    assert_eq!(
        (health.status, redis.mode),
        (HealthStatus::Degraded, RedisMode::Cluster)
    );
    assert_eq!(
        redis.nodes.iter().filter(|node| node.up).count(),
        2,
        "{:?}",
        redis.nodes
    );
    cluster.nodes()[0].resume();
    until_async("it is back", async || cache.get::<u8>(&keys[0]).await == Some(1)).await;
}

#[tokio::test]
async fn l5_a_node_that_is_killed_and_started_again_costs_its_own_entries() {
    let cluster = RedisCluster::start();
    let cache = redis_only(&cluster).await;
    let keys = keys(&cluster);
    for key in &keys {
        cache
            .set(key, &1)
            .ttl(Duration::from_secs(60))
            .await
            .expect("stored");
    }
    // What depends on generations of a node goes with it; these have theirs on others.
    let generations = ["app:%ns:key", "app:%of:key"].map(|key| cluster.owner(key));
    let dead = (0..3)
        .find(|node| !generations.contains(node))
        .expect("a third one");
    cluster.nodes()[dead].kill();
    assert_eq!(cache.get::<u8>(&keys[dead]).await, None);
    for other in (0..3).filter(|node| *node != dead) {
        assert_eq!(cache.get::<u8>(&keys[other]).await, Some(1));
    }
    cluster.nodes()[dead].restart();
    until_async("it stores again", async || {
        cache.set(&keys[dead], &2).await.expect("no error");
        cache.get::<u8>(&keys[dead]).await == Some(2)
    })
    .await;
    for other in (0..3).filter(|node| *node != dead) {
        assert_eq!(cache.get::<u8>(&keys[other]).await, Some(1));
    }
}

#[tokio::test]
async fn g5_a_generation_that_is_lost_with_its_node_revives_nothing() {
    let cluster = RedisCluster::start();
    let cache = redis_only(&cluster).await;
    let keys = keys(&cluster);
    for key in &keys {
        cache.set(key, &"old").tags(["t"]).await.expect("stored");
    }
    let of_tag = cluster.owner("app:%tag:t");
    let nonce = cluster.nodes()[of_tag].cli(&["GET", "app:%tag:t"]);
    assert!(nonce.parse::<u64>().is_ok(), "{nonce}");
    cache.invalidate_tag("t").await;
    // As a replica would that has not heard of the invalidation when it takes over.
    cluster.nodes()[of_tag].restart();
    until("it takes writes", || {
        cluster.nodes()[of_tag].cli(&["SET", "app:%tag:t", &nonce]) == "OK"
    });
    let fresh = redis_only(&cluster).await;
    for key in &keys {
        assert_eq!(fresh.get::<String>(key).await, None);
    }
}

#[tokio::test]
async fn g5_a_generation_that_is_lost_with_its_node_makes_one_wave_of_misses_alone() {
    let cluster = RedisCluster::start();
    let cache = redis_only(&cluster).await;
    // Who listens to a node that ends doubts all that it knows.
    let is_apart = |node: &usize| {
        cluster.nodes()[*node]
            .cli(&["CLIENT", "LIST", "TYPE", "pubsub"])
            .is_empty()
    };
    let lost = (0..3).find(is_apart).expect("a node that nobody listens to");
    let key = key_apart_from(&cluster, lost);
    let mut tags = (0..).map(|n| format!("t{n}"));
    let tag = tags
        .find(|tag| cluster.owner(&format!("app:%tag:{tag}")) == lost)
        .expect("one of many");
    cache.set(&key, &1).tags([&tag]).await.expect("stored");
    cluster.nodes()[lost].restart();
    let fresh = redis_only(&cluster).await;
    until_async("what one stores is found by the other", async || {
        cache.set(&key, &2).tags([&tag]).await.expect("no error");
        fresh.get::<u8>(&key).await == Some(2)
    })
    .await;
}

#[tokio::test]
async fn l4_an_invalidation_on_a_dead_node_waits_and_holds_no_other_up() {
    let cluster = RedisCluster::start();
    let cache = manager(&cluster).await;
    let keys = keys(&cluster);
    for key in &keys {
        cache.set(key, &1).await.expect("stored");
    }
    cluster.nodes()[0].pause();
    cache.delete_many(&keys).await;
    assert_eq!(cache.health().await.pending_invalidations, 1);
    for node in [1, 2] {
        assert_eq!(
            cluster.nodes()[node].cli(&["EXISTS", &format!("app:{}", keys[node])]),
            "0"
        );
    }
    cluster.nodes()[0].resume();
    until_async("nothing is pending", async || {
        assert_eq!(cache.get::<u8>(&keys[0]).await, None);
        cache.health().await.pending_invalidations == 0
    })
    .await;
    assert_eq!(
        cluster.nodes()[0].cli(&["EXISTS", &format!("app:{}", keys[0])]),
        "0"
    );
}

#[tokio::test]
async fn l2_invalidations_are_heard_whichever_node_dies() {
    let cluster = RedisCluster::start();
    let (here, there) = (manager(&cluster).await, manager(&cluster).await);
    for dead in 0..3 {
        let key = key_apart_from(&cluster, dead);
        cluster.nodes()[dead].kill();
        until_async("the others are heard", async || {
            let redis = there.health().await.redis;
            redis.is_some_and(|redis| redis.channel && redis.nodes.iter().filter(|node| node.up).count() == 2)
        })
        .await;
        here.set(&key, &1).await.expect("stored");
        until_async("it is there", async || there.get::<u8>(&key).await == Some(1)).await;
        here.delete(&key).await;
        until_async("it is heard", async || there.get::<u8>(&key).await.is_none()).await;
        cluster.nodes()[dead].restart();
        until_async("all are back", async || {
            let redis = here.health().await.redis;
            redis.is_some_and(|redis| redis.connected)
        })
        .await;
        cluster.wait_until_whole();
    }
}

#[tokio::test]
async fn l5_a_slot_moves_under_calls_without_a_wrong_value() {
    let cluster = RedisCluster::start();
    let (here, there) = (redis_only(&cluster).await, redis_only(&cluster).await);
    let slot = cluster.slot("app:value:7");
    let from = cluster.owner("app:value:7");
    let to = (from + 1) % 3;
    let first = here.scope(value(7, false)).await;
    assert_eq!(there.scope(value(7, false)).await, first);

    cluster.begin_to_move(slot, to);
    assert_eq!(there.scope(value(7, false)).await, first);
    assert!(here.delete("value:7").await);
    // It is not where the map says, and is asked for where the slot goes.
    let second = here.scope(value(7, false)).await;
    assert_ne!(second, first);
    assert_eq!(there.scope(value(7, false)).await, second);
    assert_eq!(
        cluster.nodes()[from].cli(&["CLUSTER", "COUNTKEYSINSLOT", &slot.to_string()]),
        "0"
    );
    let before = RUNS.load(SeqCst);
    let mut tasks = tokio::task::JoinSet::new();
    for cache in [&here, &there] {
        let cache = cache.clone();
        tasks.spawn(async move {
            for _ in 0..200 {
                cache.scope(value(7, false)).await;
            }
        });
    }
    cluster.finish_to_move(slot, to);
    tasks.join_all().await;
    // What was stored under the old map is of no use under the new one, and each learns of that for itself.
    let runs = RUNS.load(SeqCst) - before;
    assert!(runs <= 10, "{runs} runs in 400 calls");
    assert_eq!(cluster.owner("app:value:7"), to);

    let third = here.scope(value(7, false)).await;
    assert_eq!(there.scope(value(7, false)).await, third);
    assert!(there.delete("value:7").await);
    assert_ne!(here.scope(value(7, false)).await, third);
}

#[tokio::test]
async fn g1_a_pattern_takes_what_has_moved_before_its_slot() {
    let cluster = RedisCluster::start();
    let (here, there) = (redis_only(&cluster).await, redis_only(&cluster).await);
    let slot = cluster.slot("app:value:7");
    let from = cluster.owner("app:value:7");
    let to = (from + 1) % 3;
    let first = here.scope(value(7, false)).await;
    cluster.begin_to_move(slot, to);
    let port = cluster.nodes()[to].port().to_string();
    cluster.nodes()[from].cli(&["MIGRATE", "127.0.0.1", &port, "app:value:7", "0", "5000"]);
    assert_eq!(there.scope(value(7, false)).await, first);
    assert_eq!(here.invalidate("*alue:7").await, 1);
    assert_ne!(there.scope(value(7, false)).await, first);
}

#[tokio::test]
async fn l5_an_entry_that_a_pattern_misses_while_it_moves_is_not_served() {
    let cluster = RedisCluster::start();
    let cache = redis_only(&cluster).await;
    let slot = cluster.slot("app:value:7");
    let to = (cluster.owner("app:value:7") + 1) % 3;
    let first = cache.scope(value(7, false)).await;
    cluster.begin_to_move(slot, to);
    cluster.finish_to_move(slot, to);
    // As if the scan of the first node had come after, and that of the second before.
    assert_eq!(cluster.nodes()[to].cli(&["EXISTS", "app:value:7"]), "1");
    assert_ne!(cache.scope(value(7, false)).await, first);
}

#[tokio::test]
async fn one_address_is_enough_and_another_server_is_an_error() {
    let cluster = RedisCluster::start();
    let url = cluster.nodes()[1].url();
    let builder = CacheManager::builder()
        .redis_url(url)
        .redis_mode(RedisMode::Cluster);
    let cache = builder.build().await.expect("a cache");
    let redis = cache.health().await.redis.expect("there is one");
    assert!(redis.connected && redis.nodes.len() == 3, "{redis:?}");
    let builder = CacheManager::builder()
        .redis_url(tests::shared().url())
        .redis_mode(RedisMode::Cluster);
    let error = builder.build().await.expect_err("no cluster").to_string();
    assert!(
        error.contains("is no node of a cluster") && error.contains("REDIS_MODE"),
        "{error}"
    );
}

/// Calls under way while the first node is left for its replica, by `leave`.
async fn the_replica_takes_over(leave: impl FnOnce(&RedisCluster)) {
    let cluster = RedisCluster::start_with_replica();
    let (here, there) = (redis_only(&cluster).await, redis_only(&cluster).await);
    let mut ids = (0..).filter(|id| cluster.owner(&format!("app:value:{id}")) == 0);
    let id = ids.next().expect("one of many");
    let first = here.scope(value(id, false)).await;
    assert_eq!(there.scope(value(id, false)).await, first);
    leave(&cluster);
    here.delete(format!("value:{id}")).await;
    // Until the replica is the master, each runs for itself.
    until_async("they share a value again", async || {
        let ours = here.scope(value(id, false)).await;
        let theirs = there.scope(value(id, false)).await;
        assert_ne!(ours, first);
        ours == theirs && cluster.nodes()[3].cli(&["ROLE"]).starts_with("master")
    })
    .await;
    assert!(there.delete(format!("value:{id}")).await);
    // Each learns for itself who has the slots.
    let hits = || here.stats().total.redis_hits;
    until_async("what one stores is a hit for the other", async || {
        let before = hits();
        let ours = here.scope(value(id, false)).await;
        ours == there.scope(value(id, false)).await && hits() > before
    })
    .await;
}

#[tokio::test]
async fn l5_a_replica_takes_the_place_of_a_node_that_dies() {
    the_replica_takes_over(|cluster| cluster.nodes()[0].kill()).await;
}

#[tokio::test]
async fn l5_a_replica_takes_the_place_of_a_node_by_order() {
    the_replica_takes_over(|cluster| {
        let answer = cluster.nodes()[3].cli(&["CLUSTER", "FAILOVER"]);
        assert_eq!(answer, "OK");
    })
    .await;
}
