//! Users and sockets: what a user of Redis may not do is not done, and fails nobody (contract, sections 6 and 7: L3).

use cache_core::{BackendMode, CacheManager, HealthStatus, cache_result};
use tests::{RedisServer, shared};

use crate::settled::until_async;

#[cache_result(key = "value:{id}", ttl = 60)]
async fn value(id: u64) -> u64 {
    id
}

/// A server with a user `ann` who has these rights.
fn server_with(rights: &[&str]) -> (RedisServer, String) {
    let server = RedisServer::start();
    let mut command = vec!["ACL", "SETUSER", "ann", "reset", "on", ">hunter2"];
    command.extend(rights);
    assert_eq!(server.cli(&command), "OK");
    let url = server.url().replace("redis://", "redis://ann:hunter2@");
    (server, url)
}

#[tokio::test]
async fn a_unix_socket_is_an_address() {
    let builder = CacheManager::builder()
        .redis_url(shared().unix_url())
        .key_prefix(tests::unique_prefix());
    let cache = builder.build().await.expect("a cache");
    cache.set("k", &1).await.expect("stored");
    let health = cache.health().await;
    assert_eq!(health.status, HealthStatus::Healthy);
    let redis = health.redis.expect("there is one");
    assert!(redis.nodes[0].address.ends_with("/socket"), "{redis:?}");
}

#[tokio::test]
async fn a_user_needs_no_rights_beyond_its_keys_and_its_channel() {
    let rights = [
        "~app:*",
        // Redis 6.2 gives a user all channels to begin with.
        "resetchannels",
        "&app:*",
        "+@read",
        "+@write",
        "+@scripting",
        "+@pubsub",
        "+@connection",
    ];
    let (_server, url) = server_with(&rights);
    let (here, there) = (
        CacheManager::connect(&url).await.expect("a cache"),
        CacheManager::connect(&url).await.expect("a cache"),
    );
    here.set("k", &1).tags(["t"]).await.expect("stored");
    assert_eq!(there.get("k").await, Some(1));
    here.invalidate_tag("t").await;
    until_async("it is heard", async || there.get::<u8>("k").await.is_none()).await;
    here.set("k", &2).await.expect("stored");
    assert_eq!(here.invalidate("k*").await, 1);
    assert_eq!(there.health().await.status, HealthStatus::Healthy);
}

#[tokio::test]
async fn l3_a_user_who_may_not_run_scripts_fails_nobody() {
    let rights = ["~*", "&*", "+@all", "-@scripting"];
    let (_server, url) = server_with(&rights);
    let builder = CacheManager::builder().redis_url(url);
    let cache = builder
        .backend(BackendMode::Redis)
        .build()
        .await
        .expect("a cache");
    for id in 0..20 {
        assert_eq!(cache.scope(value(id)).await, id);
    }
    cache.set("k", &1).await.expect("no error");
    assert_eq!(cache.get::<u8>("k").await, None);
    let redis = cache.health().await.redis.expect("there is one");
    assert!(
        redis.connected,
        "a refused command is no lost connection: {redis:?}"
    );
}
