//! Cached responses (contract, section 8): what their users know, on memory and on Redis.

use std::collections::HashMap;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Path, State};
use axum::http::{Request, StatusCode};
use axum::routing::get;
use axum::{Json, Router};
use cache_core::{
    BackendError, BackendMode, CacheBackend, CacheManager, HealthStatus, cache_result, glob_matches,
    invalidate_cache,
};
use serde::{Deserialize, Serialize};
use tests::RedisServer;
use tower::ServiceExt;

use crate::places::{in_redis, managers, over};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct User {
    name: String,
    email: String,
}

fn john() -> User {
    User {
        name: "John".into(),
        email: "john@example.com".into(),
    }
}

#[derive(Clone)]
struct App {
    cache: CacheManager,
    asked: Arc<AtomicU32>,
}

#[cache_result("user_data", ttl = 300, manager = app.cache)]
async fn get_user_data(
    State(app): State<App>,
    Path(user_id): Path<String>,
) -> Result<Json<User>, StatusCode> {
    app.asked.fetch_add(1, SeqCst);
    if user_id == "nobody" {
        return Err(StatusCode::NOT_FOUND);
    }
    Ok(Json(User {
        name: user_id,
        email: String::new(),
    }))
}

#[cache_result("profile", manager = app.cache)]
async fn get_profile(State(app): State<App>, Path(user_id): Path<String>) -> Json<String> {
    app.asked.fetch_add(1, SeqCst);
    Json(user_id)
}

#[invalidate_cache("user_data*", "profile*", manager = app.cache)]
async fn update_user_profile(
    State(app): State<App>,
    Path(user_id): Path<String>,
    Json(data): Json<User>,
) -> Result<Json<User>, StatusCode> {
    let _ = app;
    if user_id == "nobody" {
        return Err(StatusCode::NOT_FOUND);
    }
    Ok(Json(data))
}

/// A service over a cache.
struct Service {
    app: App,
    router: Router,
}

impl Service {
    fn over(cache: &CacheManager) -> Self {
        let app = App {
            cache: cache.clone(),
            asked: Arc::default(),
        };
        let router = Router::new()
            .route("/users/{user_id}", get(get_user_data).put(update_user_profile))
            .route("/profiles/{user_id}", get(get_profile))
            .with_state(app.clone());
        Self { app, router }
    }

    async fn send(&self, request: Request<Body>) -> (StatusCode, String) {
        let response = self.router.clone().oneshot(request).await.expect("a response");
        let status = response.status();
        let body = to_bytes(response.into_body(), 1 << 20).await.expect("a body");
        (status, String::from_utf8(body.to_vec()).expect("text"))
    }

    async fn get(&self, path: &str) -> (StatusCode, String) {
        self.send(Request::get(path).body(Body::empty()).expect("a request"))
            .await
    }

    async fn put(&self, path: &str) -> StatusCode {
        let body = serde_json::to_vec(&john()).expect("JSON");
        let request = Request::put(path).header("content-type", "application/json");
        self.send(request.body(body.into()).expect("a request")).await.0
    }

    /// How often its handlers ran.
    fn asked(&self) -> u32 {
        self.app.asked.load(SeqCst)
    }
}

#[tokio::test]
async fn a_value_is_set_with_an_expiry_found_and_deleted() {
    for cache in managers().await {
        cache
            .set("user:123", &john())
            .ttl(Duration::from_secs(300))
            .await
            .expect("stored");
        assert_eq!(cache.get("user:123").await, Some(john()), "{cache:?}");
        assert!(cache.exists("user:123").await);
        assert!(cache.delete("user:123").await);
        assert!(!cache.exists("user:123").await);
        cache.set("user:1", &john()).await.expect("stored");
        cache.clear().await;
        assert_eq!(cache.get::<User>("user:1").await, None);
        assert_eq!(cache.health().await.status, HealthStatus::Healthy);
    }
}

#[tokio::test]
async fn a_handler_runs_once_and_its_answer_is_served() {
    for cache in managers().await {
        let service = Service::over(&cache);
        let first = service.get("/users/ann").await;
        assert_eq!(first.0, StatusCode::OK);
        assert_eq!(service.get("/users/ann").await, first, "{cache:?}");
        assert_ne!(service.get("/users/ben").await, first);
        assert_eq!(service.asked(), 2);
        let left = cache.ttl("user_data:ann").await.expect("a ttl").as_secs();
        assert!((290..=300).contains(&left), "{left}");
        let there = in_redis(&cache, &["EXISTS", "{key}"], "user_data:ann").await;
        assert!(there.is_none_or(|there| there == "1"));
    }
}

#[tokio::test]
async fn s7_an_error_is_not_cached() {
    for cache in managers().await {
        let service = Service::over(&cache);
        for _ in 0..2 {
            assert_eq!(service.get("/users/nobody").await.0, StatusCode::NOT_FOUND);
        }
        assert_eq!(service.asked(), 2, "{cache:?}");
    }
}

#[tokio::test]
async fn a_write_invalidates_what_its_patterns_match() {
    for cache in managers().await {
        let service = Service::over(&cache);
        for path in ["/users/ann", "/users/ben", "/profiles/ann"] {
            service.get(path).await;
        }
        cache.set("other", &1).await.expect("stored");
        assert_eq!(service.put("/users/ann").await, StatusCode::OK);
        for key in ["user_data:ann", "user_data:ben", "profile:ann"] {
            assert!(!cache.exists(key).await, "{key} {cache:?}");
        }
        assert!(cache.exists("other").await);
        service.get("/users/ann").await;
        assert_eq!(service.asked(), 4);
    }
}

#[tokio::test]
async fn a_write_that_fails_invalidates_nothing() {
    for cache in managers().await {
        let service = Service::over(&cache);
        service.get("/users/ann").await;
        assert_eq!(service.put("/users/nobody").await, StatusCode::NOT_FOUND);
        assert!(cache.exists("user_data:ann").await, "{cache:?}");
    }
}

#[tokio::test]
async fn l3_a_handler_whose_redis_is_gone_answers() {
    let server = RedisServer::start();
    let cache = over(&server).await;
    server.kill();
    let service = Service::over(&cache);
    assert_eq!(service.get("/users/ann").await.0, StatusCode::OK);
    assert_eq!(service.put("/users/ann").await, StatusCode::OK);
    assert_eq!(service.get("/users/ann").await.0, StatusCode::OK);
    assert_eq!(service.asked(), 2);
}

#[tokio::test]
async fn m3_patterns_are_looked_for_without_keys() {
    let server = RedisServer::start();
    let cache = over(&server).await;
    cache
        .set_many((0..300).map(|n| (format!("user_data:{n}"), n)))
        .await
        .expect("stored");
    let monitor = server.monitor();
    assert_eq!(cache.invalidate("user_data*").await, 300);
    let lines = monitor.lines();
    assert!(lines.iter().any(|line| line.contains("\"SCAN\"")), "{lines:?}");
    assert!(!lines.iter().any(|line| line.contains("\"KEYS\"")));
}

#[test]
fn the_factory_makes_what_the_environment_says() {
    let server = RedisServer::start_with_password("secret");
    let port = server.port().to_string();
    let output = Command::new(env!("CARGO_BIN_EXE_probe"))
        .env_clear()
        .envs([
            ("CACHE_BACKEND", "redis"),
            ("REDIS_HOST", "127.0.0.1"),
            ("REDIS_PORT", &port),
            ("REDIS_DB", "3"),
            ("REDIS_PASSWORD", "secret"),
            ("REDIS_MAX_CONNECTIONS", "10"),
            ("REDIS_TIMEOUT", "5"),
            ("CACHE_DEFAULT_TTL", "120"),
            ("CACHE_KEY_PREFIX", "shop"),
            // Connecting may take a while on a busy machine.
            ("CACHE_OP_BUDGET", "5000"),
        ])
        .output()
        .expect("the probe runs");
    let said = String::from_utf8(output.stdout).expect("text");
    assert!(
        said.contains("backend: Redis") && said.contains("status: Healthy"),
        "{said}"
    );
    assert!(
        said.contains(r#"prefix: "shop""#) && said.contains("default ttl 120s"),
        "{said}"
    );
    // The client of the tests sees database 0.
    assert_eq!(server.cli(&["DBSIZE"]).trim(), "0");
    server.cli(&["SWAPDB", "0", "3"]);
    let ttl = server.cli(&["TTL", "shop:probe:0"]);
    assert!((100..=120).contains(&ttl.trim().parse().unwrap_or(0)), "{ttl}");
}

#[tokio::test]
async fn the_manager_is_made_once_and_found_everywhere() {
    let cache = CacheManager::builder()
        .backend(BackendMode::Memory)
        .key_prefix("shop")
        .default_ttl(Duration::from_secs(120))
        .build()
        .await
        .expect("a cache");
    cache
        .scope(async {
            CacheManager::current().set("a", &1).await.expect("stored");
            assert_eq!(CacheManager::current().get("a").await, Some(1));
        })
        .await;
    assert_eq!(cache.get("a").await, Some(1));
    assert_eq!(
        (cache.key_prefix(), cache.default_ttl()),
        ("shop", Duration::from_secs(120))
    );
    cache.close().await;
    assert_eq!(cache.health().await.status, HealthStatus::Off);
    assert_eq!(cache.get::<u32>("a").await, None);
}

/// A store that somebody wrote to stand in for Redis.
#[derive(Debug, Default, Clone)]
struct Shelf(Arc<Mutex<HashMap<String, Vec<u8>>>>);

impl Shelf {
    fn map(&self) -> MutexGuard<'_, HashMap<String, Vec<u8>>> {
        self.0.lock().expect("the store")
    }
}

impl CacheBackend for Shelf {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, BackendError> {
        Ok(self.map().get(key).cloned())
    }

    async fn set(&self, key: &str, value: Vec<u8>, _ttl: Duration) -> Result<(), BackendError> {
        self.map().insert(key.to_owned(), value);
        Ok(())
    }

    async fn delete(&self, key: &str) -> Result<bool, BackendError> {
        Ok(self.map().remove(key).is_some())
    }

    async fn exists(&self, key: &str) -> Result<bool, BackendError> {
        Ok(self.map().contains_key(key))
    }

    async fn delete_matching(&self, pattern: &str) -> Result<u64, BackendError> {
        let mut map = self.map();
        let before = map.len();
        map.retain(|key, _| !glob_matches(pattern, key));
        Ok((before - map.len()) as u64)
    }

    async fn clear(&self) -> Result<(), BackendError> {
        self.map().clear();
        Ok(())
    }

    async fn close(&self) -> Result<(), BackendError> {
        Ok(())
    }
}

#[tokio::test]
async fn m6_a_store_of_ones_own_serves_handlers_and_domains() {
    for mode in [BackendMode::Redis, BackendMode::Tiered] {
        let shelf = Shelf::default();
        let cache = CacheManager::builder()
            .store(shelf.clone())
            .backend(mode)
            .key_prefix("shop")
            .build()
            .await
            .expect("a cache");
        let service = Service::over(&cache);
        for _ in 0..2 {
            service.get("/users/ann").await;
        }
        assert_eq!(service.asked(), 1, "{cache:?}");
        assert!(shelf.map().contains_key("shop:user_data:ann"));
        service.put("/users/ann").await;
        assert!(!shelf.map().contains_key("shop:user_data:ann"));
        cache
            .campaigns()
            .status(1, "meta", || async { Ok::<_, ()>(1) })
            .await
            .expect("a value");
        assert_eq!(cache.campaigns().invalidate(1, None).await, 1);
    }
}
