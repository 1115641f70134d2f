//! Typed caches (contract, section 8): what their users know, on memory and on Redis.

use std::error::Error;
use std::time::{Duration, Instant};

use cache_core::{CacheError, CacheManager, CacheNamespace, HealthStatus, Typed, UserIdToUuid, UserUuidToId};
use serde::{Deserialize, Serialize};
use tests::{Log, RedisServer, shared};
use uuid::Uuid;

use crate::places::{in_redis, managers, over};

/// The user of a session, written as text.
struct SessionToken;

impl CacheNamespace for SessionToken {
    const NAMESPACE: &'static str = "session:token";
    const TTL: Duration = Duration::from_secs(300);
    type Key = String;
    type Value = Uuid;

    fn encode(value: &Uuid) -> Result<Vec<u8>, Box<dyn Error + Send + Sync>> {
        Ok(value.to_string().into_bytes())
    }

    fn decode(bytes: &[u8]) -> Result<Uuid, Box<dyn Error + Send + Sync>> {
        Ok(std::str::from_utf8(bytes)?.parse()?)
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Profile {
    name: String,
    email: String,
    preferences: std::collections::BTreeMap<String, String>,
}

/// The profile of a user, as JSON.
struct UserProfile;

impl CacheNamespace for UserProfile {
    const NAMESPACE: &'static str = "user:profile";
    const TTL: Duration = Duration::from_secs(600);
    type Key = u64;
    type Value = Profile;
}

/// What seldom changes.
struct Settings;

impl CacheNamespace for Settings {
    const NAMESPACE: &'static str = "settings";
    const TTL: Duration = Duration::from_secs(900);
    type Key = (String, Option<u8>);
    type Value = bool;
}

fn profile(name: &str) -> Profile {
    Profile {
        name: name.to_owned(),
        email: format!("{name}@example.com"),
        preferences: [("theme".to_owned(), "dark".to_owned())].into(),
    }
}

fn uuid(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

#[tokio::test]
async fn a_value_is_set_found_and_invalidated() {
    for cache in managers().await {
        let sessions = cache.of::<SessionToken>();
        assert_eq!(sessions.get("token123").await, None);
        assert!(!sessions.exists("token123").await);
        sessions.set("token123", &uuid(1)).await.expect("stored");
        assert_eq!(sessions.get("token123").await, Some(uuid(1)), "{cache:?}");
        assert_eq!(sessions.get(&"token123".to_owned()).await, Some(uuid(1)));
        assert!(sessions.exists("token123").await);
        assert!(sessions.invalidate("token123").await);
        assert!(!sessions.invalidate("token123").await);
        assert_eq!(sessions.get("token123").await, None, "{cache:?}");
    }
}

#[tokio::test]
async fn users_are_found_both_ways_and_invalidated_both_ways() {
    for cache in managers().await {
        // What the data access layer of an application does: ask the cache, else the database, then fill both.
        let user_of = async |of: Uuid| -> (u64, bool) {
            if let Some(id) = cache.of::<UserUuidToId>().get(&of).await {
                return (id, true);
            }
            let id = 42;
            cache.of::<UserUuidToId>().set(&of, &id).await.expect("stored");
            cache.of::<UserIdToUuid>().set(&id, &of).await.expect("stored");
            (id, false)
        };
        assert_eq!(user_of(uuid(7)).await, (42, false));
        assert_eq!(user_of(uuid(7)).await, (42, true), "{cache:?}");
        assert_eq!(cache.of::<UserIdToUuid>().get(&42).await, Some(uuid(7)));
        // An update of the user.
        assert!(cache.of::<UserIdToUuid>().invalidate(&42).await);
        assert!(cache.of::<UserUuidToId>().invalidate(&uuid(7)).await);
        assert_eq!(user_of(uuid(7)).await, (42, false), "{cache:?}");
    }
}

#[tokio::test]
async fn a_namespace_is_what_its_keys_begin_with_and_its_ttl_is_theirs() {
    for cache in managers().await {
        cache
            .of::<SessionToken>()
            .set("a", &uuid(1))
            .await
            .expect("stored");
        cache
            .of::<UserProfile>()
            .set(&1, &profile("ann"))
            .await
            .expect("stored");
        let key = ("theme".to_owned(), None);
        cache
            .of::<Settings>()
            .set_many(&[(key, true)])
            .await
            .expect("stored");
        for (key, ttl) in [
            ("session:token:a", 300),
            ("user:profile:1", 600),
            ("settings:(theme,%n)", 900),
        ] {
            let left = cache.ttl(key).await.expect("a ttl").as_secs();
            assert!((ttl - 10..=ttl).contains(&left), "{key} {left} {cache:?}");
            let there = in_redis(&cache, &["EXISTS", "{key}"], key).await;
            assert!(there.is_none_or(|there| there == "1"), "{key}");
        }
    }
}

#[tokio::test]
async fn k3_a_token_never_names_another_entry() {
    for cache in managers().await {
        let sessions = cache.of::<SessionToken>();
        let tokens = ["a", "a:b", "*", "", "%", "a b", "ä"];
        for (n, token) in (0..).zip(tokens) {
            sessions.set(token, &uuid(n)).await.expect("stored");
        }
        for (n, token) in (0..).zip(tokens) {
            assert_eq!(sessions.get(token).await, Some(uuid(n)), "{token:?} {cache:?}");
        }
        assert!(sessions.invalidate("*").await);
        assert!(sessions.exists("a").await);
    }
}

#[tokio::test]
async fn a_namespace_may_write_its_values_in_its_own_way() {
    for cache in managers().await {
        cache
            .of::<SessionToken>()
            .set("a", &uuid(1))
            .await
            .expect("stored");
        let bytes = in_redis(&cache, &["GET", "{key}"], "session:token:a").await;
        assert!(
            bytes.is_none_or(|bytes| bytes.ends_with("00000000-0000-0000-0000-000000000001")),
            "{cache:?}"
        );
        assert_eq!(cache.of::<SessionToken>().get("a").await, Some(uuid(1)));
    }
}

#[tokio::test]
async fn structs_are_stored_as_json_without_a_word() {
    for cache in managers().await {
        let profiles = cache.of::<UserProfile>();
        profiles.set(&1, &profile("ann")).await.expect("stored");
        assert_eq!(profiles.get(&1).await, Some(profile("ann")), "{cache:?}");
        let bytes = in_redis(&cache, &["GET", "{key}"], "user:profile:1").await;
        assert!(bytes.is_none_or(|bytes| bytes.contains(r#""email":"ann@example.com""#)));
    }
}

#[tokio::test]
async fn batches_are_in_the_order_asked() {
    for cache in managers().await {
        let users = cache.of::<UserUuidToId>();
        let pairs: Vec<(Uuid, u64)> = (0..100).map(|n| (uuid(n.into()), n)).collect();
        users.set_many(&pairs).await.expect("stored");
        let keys: Vec<Uuid> = (0..100).rev().map(|n| uuid(n * 2)).collect();
        let found = users.get_many(&keys).await.expect("values");
        let expected: Vec<Option<u64>> = (0..100_u64)
            .rev()
            .map(|n| Some(n * 2).filter(|n| *n < 100))
            .collect();
        assert_eq!(found, expected, "{cache:?}");
        assert_eq!(users.get_many(&[]).await, Ok(vec![]));
    }
}

#[tokio::test]
async fn more_than_a_hundred_entries_are_an_error_and_nothing_is_stored() {
    for cache in managers().await {
        let users = cache.of::<UserUuidToId>();
        let pairs: Vec<(Uuid, u64)> = (0..101).map(|n| (uuid(n.into()), n)).collect();
        let error = users.set_many(&pairs).await.expect_err("an error");
        assert!(
            matches!(&error, CacheError::Validation(text) if text.contains("`set_many`") && text.contains("101")),
            "{error}"
        );
        assert!(!users.exists(&uuid(0)).await);
        let keys: Vec<Uuid> = pairs.iter().map(|(uuid, _)| *uuid).collect();
        let error = users.get_many(&keys).await.expect_err("an error");
        assert!(
            matches!(&error, CacheError::Validation(text) if text.contains("`user:uuid_to_id`") && text.contains("100")),
            "{error}"
        );
        // What the message says to do.
        let mut found = Vec::new();
        for (keys, pairs) in keys.chunks(100).zip(pairs.chunks(100)) {
            users.set_many(pairs).await.expect("stored");
            found.extend(users.get_many(keys).await.expect("values"));
        }
        assert_eq!(found, (0..101).map(Some).collect::<Vec<_>>(), "{cache:?}");
    }
}

#[derive(Clone, Deserialize)]
struct Unwritable;

impl Serialize for Unwritable {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("no luck"))
    }
}

struct Broken;

impl CacheNamespace for Broken {
    const NAMESPACE: &'static str = "broken";
    const TTL: Duration = Duration::from_secs(60);
    type Key = u8;
    type Value = Unwritable;
}

#[tokio::test]
async fn a_value_that_cannot_be_written_is_an_error() {
    for cache in managers().await {
        let broken = cache.of::<Broken>();
        for error in [
            broken.set(&1, &Unwritable).await.expect_err("an error"),
            broken.set_many(&[(1, Unwritable)]).await.expect_err("an error"),
        ] {
            assert!(
                matches!(&error, CacheError::Serialization(text) if text.contains("`broken`") && text.contains("no luck")),
                "{error}"
            );
        }
        assert!(!broken.exists(&1).await, "{cache:?}");
    }
}

#[tokio::test]
async fn a_corrupt_entry_is_logged_and_removed_and_counts_as_none() {
    let (log, _logging) = Log::listen(tracing::Level::ERROR);
    for cache in managers().await {
        let sessions = cache.of::<SessionToken>();
        // Something that this namespace cannot read, by an entry that is in order otherwise.
        for one_by_one in [true, false] {
            cache
                .set("session:token:secret", "no uuid")
                .await
                .expect("stored");
            assert!(sessions.exists("secret").await);
            let found = if one_by_one {
                sessions.get("secret").await
            } else {
                sessions.get_many(&["secret".to_owned()]).await.expect("values")[0]
            };
            assert_eq!(found, None, "{cache:?}");
            let said = log.take();
            assert!(
                said.contains("cannot be decoded") && said.contains("session:token"),
                "{said}"
            );
            assert!(!said.contains("secret"), "{said}");
            assert!(!sessions.exists("secret").await, "{cache:?}");
            let there = in_redis(&cache, &["EXISTS", "{key}"], "session:token:secret").await;
            assert!(there.is_none_or(|there| there == "0"));
            assert_eq!(sessions.get("secret").await, None);
            assert_eq!(log.take(), "");
        }
    }
}

#[tokio::test]
async fn f3_bytes_that_are_no_entry_are_removed() {
    for cache in managers().await {
        let garbage = ["SET", "{key}", "\u{1}garbage"];
        if in_redis(&cache, &garbage, "user:profile:1").await.is_none() {
            continue;
        }
        assert_eq!(cache.of::<UserProfile>().get(&1).await, None);
        let there = in_redis(&cache, &["EXISTS", "{key}"], "user:profile:1").await;
        assert_eq!(there.as_deref(), Some("0"), "{cache:?}");
    }
}

#[tokio::test]
async fn f1_a_value_of_an_earlier_shape_is_none() {
    #[derive(Clone, Serialize, Deserialize)]
    struct Later {
        name: String,
        email: String,
        preferences: std::collections::BTreeMap<String, String>,
        #[serde(default)]
        admin: bool,
    }
    struct LaterProfile;
    impl CacheNamespace for LaterProfile {
        const NAMESPACE: &'static str = UserProfile::NAMESPACE;
        const TTL: Duration = UserProfile::TTL;
        type Key = u64;
        type Value = Later;
    }
    let prefix = tests::unique_prefix();
    let build = || {
        CacheManager::builder()
            .redis_url(shared().url())
            .op_budget(Duration::from_secs(10))
            .key_prefix(prefix.clone())
            .build()
    };
    let (before, after) = (build().await.expect("a cache"), build().await.expect("a cache"));
    before
        .of::<UserProfile>()
        .set(&1, &profile("ann"))
        .await
        .expect("stored");
    assert!(after.of::<LaterProfile>().get(&1).await.is_none());
}

#[tokio::test]
async fn l3_without_redis_nothing_fails_and_none_is_found() {
    let server = RedisServer::start();
    let cache = over(&server).await;
    server.kill();
    let sessions = cache.of::<SessionToken>();
    assert_eq!(sessions.get("a").await, None);
    assert_eq!(sessions.get_many(&["a".to_owned()]).await, Ok(vec![None]));
    assert_eq!(sessions.set("a", &uuid(1)).await, Ok(()));
    assert_eq!(sessions.set_many(&[("b".to_owned(), uuid(2))]).await, Ok(()));
    assert!(!sessions.exists("c").await);
}

#[tokio::test]
async fn all_typed_caches_share_the_connections_of_their_manager() {
    let server = RedisServer::start();
    let clients = || {
        server
            .cli(&["CLIENT", "LIST"])
            .lines()
            .filter(|line| line.contains("id="))
            .count()
    };
    let cache = over(&server).await;
    cache
        .of::<SessionToken>()
        .set("a", &uuid(1))
        .await
        .expect("stored");
    let before = clients();
    cache
        .of::<UserProfile>()
        .set(&1, &profile("ann"))
        .await
        .expect("stored");
    cache
        .of::<UserUuidToId>()
        .set(&uuid(1), &1)
        .await
        .expect("stored");
    cache
        .clone()
        .of::<UserIdToUuid>()
        .set(&1, &uuid(1))
        .await
        .expect("stored");
    assert_eq!(clients(), before);
}

#[tokio::test]
async fn a_service_connects_at_its_start_and_disconnects_at_its_end() {
    let server = RedisServer::start();
    let cache = over(&server).await;
    let sessions: Typed<'_, SessionToken> = cache.of();
    sessions.set("a", &uuid(1)).await.expect("stored");
    assert_eq!(cache.health().await.status, HealthStatus::Healthy);
    cache.close().await;
    assert_eq!(sessions.get("a").await, None);
    assert_eq!(sessions.set("a", &uuid(2)).await, Ok(()));
    let deadline = Instant::now() + Duration::from_secs(10);
    while server.cli(&["CLIENT", "LIST"]).lines().count() > 1 {
        assert!(Instant::now() < deadline, "there are still connections");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn health_tells_whether_redis_answers() {
    let server = RedisServer::start();
    let cache = over(&server).await;
    let health = cache.health().await;
    assert_eq!(health.status, HealthStatus::Healthy);
    assert!(health.redis.is_some_and(|redis| redis.connected));
    server.kill();
    let deadline = Instant::now() + Duration::from_secs(10);
    while cache.health().await.status != HealthStatus::Degraded {
        assert!(Instant::now() < deadline, "the outage is not seen");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let redis = cache.health().await.redis.expect("Redis is configured");
    assert!(!redis.connected && redis.last_error.is_some());
}

#[tokio::test]
async fn a_value_can_be_loaded_by_the_cache() {
    for cache in managers().await {
        let sessions = cache.of::<SessionToken>();
        for n in 1..3 {
            let load = || async move { Ok::<_, String>(uuid(n)) };
            assert_eq!(sessions.get_or_fetch("a", load).await, Ok(uuid(1)), "{cache:?}");
        }
        assert_eq!(sessions.get("a").await, Some(uuid(1)), "{cache:?}");
        assert!(cache.ttl("session:token:a").await.expect("a ttl") <= SessionToken::TTL);
        // What cannot be read is loaded again.
        cache.set("session:token:a", "no uuid").await.expect("stored");
        let load = || async { Ok::<_, String>(uuid(3)) };
        assert_eq!(sessions.get_or_fetch("a", load).await, Ok(uuid(3)), "{cache:?}");
        assert_eq!(sessions.get("a").await, Some(uuid(3)), "{cache:?}");
    }
}
