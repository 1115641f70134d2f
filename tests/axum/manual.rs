//! What holds for every cached function holds for responses: one load, staleness, invalidation.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use cache_core::axum::CachedResponse;
use cache_core::{CacheManager, cache_response, invalidate_cache};
use tokio::sync::{Notify, Semaphore};

use crate::server::Server;

#[derive(Clone)]
struct App {
    runs: Arc<AtomicU32>,
    fails: Arc<AtomicBool>,
    started: Arc<Notify>,
    gate: Arc<Notify>,
    arrived: Arc<Semaphore>,
}

impl Default for App {
    fn default() -> Self {
        Self {
            runs: Arc::default(),
            fails: Arc::default(),
            started: Arc::default(),
            gate: Arc::default(),
            arrived: Arc::new(Semaphore::new(0)),
        }
    }
}

impl App {
    fn run(&self) -> u32 {
        self.runs.fetch_add(1, Relaxed) + 1
    }
}

#[cache_response(key = "held:{status}", ttl = "60s")]
async fn held(State(app): State<App>, Path(status): Path<u16>) -> impl IntoResponse {
    let run = app.run();
    app.started.notify_one();
    app.gate.notified().await;
    (
        StatusCode::from_u16(status).expect("a status"),
        format!("run {run}"),
    )
}

/// Counts the requests that have come.
async fn count(State(app): State<App>, request: Request, next: Next) -> Response {
    app.arrived.add_permits(1);
    next.run(request).await
}

/// Has many clients ask at once, and lets the handler end when all of them are there.
async fn all_at_once(status: u16) -> (App, Server, Vec<crate::client::Reply>) {
    let app = App::default();
    let server = Server::start(
        Router::new()
            .route("/{status}", get(held))
            .layer(middleware::from_fn_with_state(app.clone(), count))
            .with_state(app.clone()),
    )
    .await;
    let server = Arc::new(server);
    let path = format!("/{status}");
    let first = tokio::spawn({
        let (server, path) = (Arc::clone(&server), path.clone());
        async move { server.get(&path).await }
    });
    app.started.notified().await;
    let others: Vec<_> = (0..20)
        .map(|_| {
            let (server, path) = (Arc::clone(&server), path.clone());
            tokio::spawn(async move { server.get(&path).await })
        })
        .collect();
    // The poll in which a request is counted takes it to the look-up. Those who come after the load has ended find an entry, or
    // run for themselves one by one; both would show below.
    let all = app.arrived.acquire_many(21).await.expect("it is never closed");
    drop(all);
    app.gate.notify_waiters();
    let mut replies = vec![first.await.expect("a reply")];
    for other in others {
        replies.push(other.await.expect("a reply"));
    }
    let server = Arc::into_inner(server).expect("one server");
    (app, server, replies)
}

#[tokio::test]
async fn s1_of_many_requests_at_once_one_runs_the_handler_and_all_get_its_response() {
    let (app, _server, replies) = all_at_once(200).await;
    assert_eq!(app.runs.load(Relaxed), 1);
    for reply in replies {
        assert_eq!((reply.status, reply.text()), (200, "run 1"));
        assert!(reply.header("etag").is_some());
    }
}

#[tokio::test]
async fn s1_an_error_goes_to_all_who_wait_and_is_not_stored() {
    for status in [404, 500] {
        let (app, server, replies) = all_at_once(status).await;
        assert_eq!(app.runs.load(Relaxed), 1, "{status}");
        for reply in replies {
            assert_eq!((reply.status, reply.text()), (status, "run 1"));
        }
        assert_eq!(server.manager.stats().entries, 0);
    }
}

#[tokio::test]
async fn g1_what_was_invalidated_while_it_was_made_is_not_said_to_be_stored() {
    let app = App::default();
    let routes = Router::new()
        .route("/{status}", get(held))
        .with_state(app.clone());
    let server = Arc::new(Server::start(routes).await);
    let first = tokio::spawn({
        let server = Arc::clone(&server);
        async move { server.get("/200").await }
    });
    app.started.notified().await;
    server.manager.delete("held:200").await;
    app.gate.notify_one();
    let reply = first.await.expect("a reply");
    assert_eq!(
        (reply.text(), reply.cache_status().as_str()),
        ("run 1", "cache-core; fwd=miss")
    );
    // A cache on the way must not keep it either.
    assert_eq!(reply.header("cache-control"), None);
}

#[cache_response(key = "fragile:{id}", ttl = "20ms", stale_if_error = "60s", tags = ["fragile"])]
async fn fragile(State(app): State<App>, Path(id): Path<u64>) -> Result<String, StatusCode> {
    let run = app.run();
    if app.fails.load(Relaxed) {
        return Err(StatusCode::BAD_GATEWAY);
    }
    Ok(format!("{id} {run}"))
}

fn with_fragile() -> (App, Router) {
    let app = App::default();
    let routes = Router::new()
        .route("/{id}", get(fragile).put(change))
        .with_state(app.clone());
    (app, routes)
}

#[invalidate_cache(fragile(id))]
async fn change(State(_app): State<App>, Path(id): Path<u64>) -> Result<String, StatusCode> {
    Ok(format!("changed {id}"))
}

#[tokio::test]
async fn t1_an_older_response_is_served_when_the_handler_fails() {
    let (app, routes) = with_fragile();
    let server = Server::start(routes).await;
    assert_eq!(server.get("/1").await.text(), "1 1");
    app.fails.store(true, Relaxed);
    let deadline = tokio::time::Instant::now() + Duration::from_secs(5);
    while !server.get("/1").await.cache_status().contains("ttl=-") {
        assert!(tokio::time::Instant::now() < deadline, "nothing stale was served");
    }
    let reply = server.get("/1").await;
    assert_eq!((reply.status, reply.text()), (200, "1 1"));
    assert!(server.manager.stats().total.stale_served > 0);
    assert_eq!(server.get("/2").await.status, 502, "there is nothing older");
}

#[tokio::test]
async fn t2_what_was_invalidated_is_not_served_stale() {
    let (app, routes) = with_fragile();
    let server = Server::start(routes).await;
    server.get("/1").await;
    server.get("/2").await;
    app.fails.store(true, Relaxed);
    assert_eq!(
        server.send("PUT", "/1", &[("content-length", "0")]).await.text(),
        "changed 1"
    );
    assert_eq!(server.get("/1").await.status, 502);
    server.manager.invalidate_tag("fragile").await;
    assert_eq!(server.get("/2").await.status, 502);
}

#[cache_response(key = "slow:{id}", ttl = "60s", hard_timeout = "30ms")]
async fn slow(Path(id): Path<u64>) -> String {
    std::future::pending::<()>().await;
    id.to_string()
}

#[tokio::test]
async fn t1_a_handler_that_takes_too_long_is_answered_for() {
    let server = Server::start(Router::new().route("/{id}", get(slow))).await;
    let reply = server.get("/1").await;
    assert_eq!((reply.status, reply.text()), (504, "the handler took too long"));
    assert_eq!(server.manager.stats().entries, 0);
}

fn is_long(response: &CachedResponse) -> bool {
    response.body().len() > 3
}

#[cache_response(
    key = "picky:{text}",
    cache_if = is_long,
    ttl_from = |response| Duration::from_secs(response.body().len() as u64),
)]
async fn picky(Path(text): Path<String>) -> String {
    text
}

#[tokio::test]
async fn cache_if_and_ttl_from_see_the_response() {
    let server = Server::start(Router::new().route("/{text}", get(picky))).await;
    let short = server.get("/abc").await;
    assert_eq!(short.cache_status(), "cache-core; fwd=miss");
    assert_eq!(short.header("cache-control"), None);
    let long = server.get("/abcdefg").await;
    assert_eq!(long.header("cache-control").as_deref(), Some("max-age=7"));
}

#[tokio::test]
async fn a_response_that_cache_if_accepts_is_still_held_to_the_rules() {
    #[cache_response(key = "accepted", ttl = "60s", cache_if = |_| true)]
    async fn accepted() -> (StatusCode, &'static str) {
        (StatusCode::NOT_FOUND, "nothing")
    }
    let manager = CacheManager::in_memory();
    manager.scope(accepted()).await;
    assert_eq!(manager.stats().entries, 0);
}

#[tokio::test]
async fn a_manager_that_an_argument_has_is_used() {
    #[cache_response(key = "own:{id}", ttl = "60s", manager = cache)]
    async fn own(State(cache): State<CacheManager>, Path(id): Path<u64>) -> String {
        let _ = cache;
        id.to_string()
    }
    let (around, own_one) = (CacheManager::in_memory(), CacheManager::in_memory());
    let routes = Router::new().route("/{id}", get(own)).with_state(own_one.clone());
    let server = Server::with(around, routes).await;
    server.get("/1").await;
    assert_eq!((server.manager.stats().entries, own_one.stats().entries), (0, 1));
}
