//! Two servers over one Redis.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use axum::extract::{Path, State};
use axum::routing::get;
use axum::{Json, Router};
use cache_core::{CacheManager, cache_response};
use serde_json::{Value, json};

use crate::server::Server;

#[cache_response(key = "pair:{id}", ttl = "60s")]
async fn lead(State(runs): State<&'static AtomicU32>, Path(id): Path<u64>) -> Json<Value> {
    let run = runs.fetch_add(1, Relaxed) + 1;
    Json(json!({ "id": id, "run": run, "name": "x".repeat(3000) }))
}

#[cache_response(key = "apart:{id}", ttl = "60s", tier = "memory")]
async fn apart(Path(id): Path<u64>) -> Json<Value> {
    Json(json!({ "id": id }))
}

#[cache_response(key = "small:{id}", ttl = "60s")]
async fn small(Path(id): Path<u64>) -> Json<Value> {
    Json(json!({ "id": id }))
}

async fn server(prefix: &str) -> (Server, &'static AtomicU32) {
    let manager = CacheManager::builder()
        .redis_url(tests::shared().url())
        .key_prefix(prefix)
        .build()
        .await
        .expect("a manager");
    let runs: &'static AtomicU32 = Box::leak(Box::default());
    let routes = Router::new()
        .route("/{id}", get(lead))
        .route("/apart/{id}", get(apart))
        .route("/small/{id}", get(small))
        .with_state(runs);
    (Server::with(manager, routes).await, runs)
}

#[tokio::test]
async fn h1_a_response_is_read_from_redis_by_another_server() {
    let prefix = tests::unique_prefix();
    let (one, runs) = server(&prefix).await;
    let (other, others_runs) = server(&prefix).await;
    let first = one.get("/1").await;
    let second = other.get("/1").await;
    assert!(second.is_hit(), "{:?}", second.cache_status());
    assert_eq!(second.body, first.body);
    assert_eq!(second.header("content-type"), first.header("content-type"));
    assert_eq!(second.header("content-length"), first.header("content-length"));
    assert_eq!((runs.load(Relaxed), others_runs.load(Relaxed)), (1, 0));
    assert_eq!(other.manager.stats().total.redis_hits, 1);
}

#[tokio::test]
async fn h2_two_servers_give_one_response_the_same_tag() {
    let prefix = tests::unique_prefix();
    let (one, _) = server(&prefix).await;
    let (other, _) = server(&prefix).await;
    let shared = one.get("/1").await.header("etag").expect("a tag");
    assert_eq!(other.get("/1").await.header("etag"), Some(shared.clone()));
    assert_eq!(
        other
            .send("GET", "/1", &[("if-none-match", &shared)])
            .await
            .status,
        304
    );
    // Where nothing is shared, the tag is that of the same bytes.
    let (here, there) = (one.get("/apart/1").await, other.get("/apart/1").await);
    assert_eq!((here.is_hit(), there.is_hit()), (false, false));
    assert_eq!(here.header("etag"), there.header("etag"));
    assert_ne!(here.header("etag"), Some(shared));
}

#[tokio::test]
async fn h2_the_age_of_a_response_is_that_of_the_run_in_another_process() {
    let prefix = tests::unique_prefix();
    let (one, _) = server(&prefix).await;
    one.get("/1").await;
    make_older(&full_key(&prefix, "pair:1"), 5_000);
    let (other, _) = server(&prefix).await;
    let reply = other.get("/1").await;
    assert!(reply.is_hit());
    let age: u64 = reply.header("age").expect("an age").parse().expect("seconds");
    assert!((5..=15).contains(&age), "{age}");
    assert_eq!(reply.header("cache-control").as_deref(), Some("max-age=60"));
}

/// The full key of the one entry of a prefix that ends like this.
fn full_key(prefix: &str, end: &str) -> String {
    let found = tests::shared().cli(&["KEYS", &format!("{prefix}*{end}")]);
    let key = found.trim().to_owned();
    assert!(!key.is_empty() && key.lines().count() == 1, "{found}");
    key
}

/// Has an entry be loaded, and end to be fresh, so many milliseconds earlier: the clock of Redis cannot be moved.
fn make_older(key: &str, milliseconds: u64) {
    let script = "for _, at in ipairs({9, 50}) do
            local time = struct.unpack('<I8', redis.call('GETRANGE', KEYS[1], at, at + 7))
            redis.call('SETRANGE', KEYS[1], at, struct.pack('<I8', time - ARGV[1]))
        end
        return 'older'";
    let said = tests::shared().cli(&["EVAL", script, "1", key, &milliseconds.to_string()]);
    assert_eq!(said.trim(), "older");
}

#[tokio::test]
async fn f3_a_response_that_was_damaged_is_a_miss_and_counted() {
    let prefix = tests::unique_prefix();
    let (one, _) = server(&prefix).await;
    let body = one.get("/small/1").await.body;
    let key = full_key(&prefix, "small:1");
    let length: usize = tests::shared()
        .cli(&["STRLEN", &key])
        .trim()
        .parse()
        .expect("a length");
    // The last header is the tag, of 34 bytes, and before it stands its length.
    let at = length - body.len() - 34 - 4;
    tests::shared().cli(&["SETRANGE", &key, &at.to_string(), "\u{7f}\u{7f}\u{7f}\u{7f}"]);
    let (other, _) = server(&prefix).await;
    let reply = other.get("/small/1").await;
    assert_eq!((reply.status, &reply.body), (200, &body));
    assert!(!reply.is_hit());
    assert_eq!(other.manager.stats().total.errors, 1);
    let (third, _) = server(&prefix).await;
    assert!(third.get("/small/1").await.is_hit(), "it was replaced");
}

#[tokio::test]
async fn f3_a_value_that_somebody_else_stored_under_the_key_is_a_miss() {
    let prefix = tests::unique_prefix();
    let (one, runs) = server(&prefix).await;
    one.manager
        .set("pair:1", &json!({ "status": 200 }))
        .await
        .expect("a value");
    let reply = one.get("/1").await;
    assert_eq!(
        (reply.status, reply.cache_status().as_str()),
        (200, "cache-core; fwd=miss; stored")
    );
    assert_eq!(runs.load(Relaxed), 1);
}

#[tokio::test]
async fn f1_a_response_is_no_value_for_those_who_ask_for_one() {
    let prefix = tests::unique_prefix();
    let (one, runs) = server(&prefix).await;
    one.get("/1").await;
    let (other, _) = server(&prefix).await;
    assert_eq!(other.manager.get::<Value>("pair:1").await, None);
    assert_eq!(other.manager.get::<Vec<u8>>("pair:1").await, None);
    let (third, _) = server(&prefix).await;
    assert!(third.get("/1").await.is_hit(), "it is still there");
    assert_eq!(runs.load(Relaxed), 1);
}
