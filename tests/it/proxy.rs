//! Connections that carry nothing any more, though nobody has closed them or whose
//! two ways do not take the same time (contract, section 7: G6, L2, L3, L5).

use std::convert::Infallible;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::{Duration, Instant};

use cache_core::{BackendMode, CacheManager};
use tests::{Proxy, RedisServer};

fn url(proxy: &Proxy) -> String {
    format!("redis://127.0.0.1:{}/", proxy.port())
}

async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !is_so().await {
        assert!(started.elapsed() < Duration::from_secs(10), "still not: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn l5_a_connection_that_swallows_what_is_sent_is_replaced() {
    let server = RedisServer::start();
    let play: [fn(&Proxy); 2] = [Proxy::swallow, Proxy::half_close];
    for (number, play) in play.into_iter().enumerate() {
        let proxy = Proxy::to(server.port());
        let builder = CacheManager::builder().redis_url(url(&proxy));
        let cache = builder
            .backend(BackendMode::Redis)
            .build()
            .await
            .expect("a cache");
        cache.set("k", &number).await.expect("stored");
        play(&proxy);
        until("Redis is read again", async || {
            cache.get("k").await == Some(number)
        })
        .await;
    }
}

#[tokio::test]
async fn l2_a_channel_that_swallows_what_is_sent_is_replaced_and_memory_dropped() {
    let server = RedisServer::start();
    let proxy = Proxy::to(server.port());
    let builder = CacheManager::builder().redis_url(url(&proxy));
    let builder = builder.degraded_ttl(Duration::from_millis(400));
    let cache = builder.build().await.expect("a cache");
    let other = CacheManager::connect(server.url()).await.expect("a cache");
    cache.set("k", &1).await.expect("stored");
    proxy.swallow_news();
    other.delete("k").await;
    until("the copy is dropped", async || {
        cache.get::<u8>("k").await.is_none()
    })
    .await;
    cache.set("k", &2).await.expect("stored");
    other.delete("k").await;
    until("the channel is heard", async || {
        cache.get::<u8>("k").await.is_none()
    })
    .await;
}

#[tokio::test]
async fn l3_a_proxy_that_refuses_is_a_server_that_is_gone() {
    let server = RedisServer::start();
    let proxy = Proxy::to(server.port());
    let builder = CacheManager::builder().redis_url(url(&proxy));
    let cache = builder
        .backend(BackendMode::Redis)
        .build()
        .await
        .expect("a cache");
    cache.set("k", &1).await.expect("stored");
    proxy.refuse();
    assert_eq!(cache.get::<u8>("k").await, None);
    proxy.heal();
    until("Redis is read again", async || cache.get("k").await == Some(1)).await;
}

#[tokio::test]
async fn g6_a_value_is_loaded_once_a_ttl_by_one_whose_way_to_the_server_is_longer_than_back() {
    let server = RedisServer::start();
    let proxy = Proxy::to(server.port());
    // The server's time is told late, and taken for a later one than it is, by half of this.
    proxy.slow_one_way(Duration::from_millis(400));
    let cache = CacheManager::builder()
        .redis_url(url(&proxy))
        .backend(BackendMode::Redis)
        .op_budget(Duration::from_secs(5))
        .build()
        .await
        .expect("a cache");
    proxy.heal();
    let runs = AtomicU32::new(0);
    let ttl = Duration::from_secs(1);
    let call = async || {
        let fetch = cache
            .get_or_fetch("item:1", || async {
                Ok::<_, Infallible>(runs.fetch_add(1, SeqCst))
            })
            .ttl(ttl)
            .stale_if_error(Duration::from_secs(60));
        fetch.await
    };
    // By the server the value is fresh for a fifth of a second longer than it is here.
    let began = Instant::now();
    while began.elapsed() < ttl * 5 / 4 {
        call().await.expect("it does not fail");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(runs.load(SeqCst), 2);
}
