//! What a client sees of cached responses: validators, ages, and what the cache did.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use cache_core::cache_response;
use serde::{Deserialize, Serialize};

use crate::client::Client;
use crate::server::Server;

#[derive(Clone, Serialize)]
struct Lead {
    id: u64,
    name: String,
    run: u32,
}

#[axum::debug_handler]
#[cache_response(key = "h2lead:{id}", ttl = "60s")]
async fn lead(State(runs): State<&'static AtomicU32>, Path(id): Path<u64>) -> Json<Lead> {
    let run = runs.fetch_add(1, Relaxed) + 1;
    Json(Lead {
        id,
        name: "Müller".to_owned(),
        run,
    })
}

fn leads() -> (Router, &'static AtomicU32) {
    let runs: &'static AtomicU32 = Box::leak(Box::default());
    let routes = Router::new().route("/leads/{id}", get(lead)).with_state(runs);
    (routes, runs)
}

#[tokio::test]
async fn h1_a_second_request_gets_the_stored_response_without_a_run() {
    let (routes, runs) = leads();
    let server = Server::start(routes).await;
    let first = server.get("/leads/1").await;
    let second = server.get("/leads/1").await;
    assert_eq!(first.status, 200);
    assert_eq!(first.text(), r#"{"id":1,"name":"Müller","run":1}"#);
    assert_eq!(second.body, first.body);
    assert_eq!(second.header("content-type").as_deref(), Some("application/json"));
    assert_eq!(runs.load(Relaxed), 1);
    assert_eq!(
        server.get("/leads/2").await.text(),
        r#"{"id":2,"name":"Müller","run":2}"#
    );
}

#[tokio::test]
async fn h2_cache_status_says_miss_and_stored_and_then_hit() {
    let server = Server::start(leads().0).await;
    assert_eq!(
        server.get("/leads/1").await.cache_status(),
        "cache-core; fwd=miss; stored"
    );
    let status = server.get("/leads/1").await.cache_status();
    let left = status.strip_prefix("cache-core; hit; ttl=").expect("a hit");
    assert!(
        (58..=60).contains(&left.parse::<i64>().expect("seconds")),
        "{status}"
    );
}

#[tokio::test]
async fn h2_age_is_that_of_the_stored_response_and_a_first_one_has_none() {
    let server = Server::start(leads().0).await;
    let first = server.get("/leads/1").await;
    assert_eq!(first.header("age"), None);
    assert_eq!(first.header("cache-control").as_deref(), Some("max-age=60"));
    let second = server.get("/leads/1").await;
    let age: u64 = second.header("age").expect("an age").parse().expect("seconds");
    assert!(age <= 2, "{age}");
    // Clients subtract the age from it.
    assert_eq!(second.header("cache-control").as_deref(), Some("max-age=60"));
}

#[tokio::test]
async fn h2_a_client_that_has_the_response_gets_304_without_a_body() {
    let (routes, runs) = leads();
    let server = Server::start(routes).await;
    let first = server.get("/leads/1").await;
    let etag = first.header("etag").expect("a tag");
    let mut client = Client::connect(server.address).await;
    for tag in [
        etag.clone(),
        format!("W/{etag}"),
        format!("\"other,one\", {etag}"),
        "*".to_owned(),
    ] {
        let reply = client.send("GET", "/leads/1", &[("if-none-match", &tag)]).await;
        assert_eq!(reply.status, 304, "{tag}");
        assert_eq!(reply.header("etag"), Some(etag.clone()));
        assert_eq!(reply.header("cache-control").as_deref(), Some("max-age=60"));
        assert!(reply.header("age").is_some() && reply.is_hit(), "{reply:?}");
        assert_eq!(reply.header("content-type"), None);
        assert_eq!(reply.header("content-length"), None);
    }
    // The connection is in step, so none of them had a body.
    let other = client
        .send("GET", "/leads/1", &[("if-none-match", "\"other\"")])
        .await;
    assert_eq!((other.status, other.body), (200, first.body));
    assert_eq!(runs.load(Relaxed), 1);
}

#[tokio::test]
async fn h2_a_304_may_be_the_answer_to_the_first_request_too() {
    let server = Server::start(leads().0).await;
    let etag = server.get("/leads/1").await.header("etag").expect("a tag");
    let (again, runs) = leads();
    let other = Server::start(again).await;
    let reply = other.send("GET", "/leads/1", &[("if-none-match", &etag)]).await;
    assert_eq!(reply.status, 304);
    assert_eq!(reply.cache_status(), "cache-core; fwd=miss; stored");
    assert_eq!(runs.load(Relaxed), 1);
}

#[tokio::test]
async fn h2_head_is_answered_from_the_same_entry_without_a_body() {
    let (routes, runs) = leads();
    let server = Server::start(routes).await;
    let first = server.get("/leads/1").await;
    let mut client = Client::connect(server.address).await;
    let head = client.send("HEAD", "/leads/1", &[]).await;
    assert_eq!(head.status, 200);
    assert!(head.is_hit());
    assert_eq!(head.header("etag"), first.header("etag"));
    assert_eq!(head.header("content-length"), Some(first.body.len().to_string()));
    let etag = first.header("etag").expect("a tag");
    let head = client.send("HEAD", "/leads/1", &[("if-none-match", &etag)]).await;
    assert_eq!(head.status, 304);
    assert_eq!(client.send("GET", "/leads/1", &[]).await.body, first.body);
    assert_eq!(runs.load(Relaxed), 1);
}

#[tokio::test]
async fn h2_no_cache_has_the_handler_run_and_what_it_gives_stored() {
    let (routes, runs) = leads();
    let server = Server::start(routes).await;
    server.get("/leads/1").await;
    let forced = server
        .send("GET", "/leads/1", &[("cache-control", "max-age=0, no-cache")])
        .await;
    assert_eq!(forced.cache_status(), "cache-core; fwd=request; stored");
    assert!(forced.text().contains(r#""run":2"#));
    let after = server.get("/leads/1").await;
    assert!(after.is_hit() && after.text().contains(r#""run":2"#));
    assert_eq!(runs.load(Relaxed), 2);
}

#[tokio::test]
async fn h2_no_store_passes_the_cache_by() {
    let (routes, _) = leads();
    let server = Server::start(routes).await;
    server.get("/leads/1").await;
    let passed = server
        .send("GET", "/leads/1", &[("cache-control", "no-store")])
        .await;
    assert_eq!(passed.cache_status(), "cache-core; fwd=bypass");
    assert!(passed.text().contains(r#""run":2"#));
    assert!(server.get("/leads/1").await.text().contains(r#""run":1"#));
}

#[cache_response(key = "h2text:{name}", ttl = "60s", bypass = name == "direct")]
async fn text(Path(name): Path<String>) -> Response {
    let mut response = format!("hello {name}").into_response();
    let headers = response.headers_mut();
    headers.insert(header::VARY, "accept-language".parse().expect("a value"));
    headers.insert(
        header::CACHE_CONTROL,
        "public, max-age=5".parse().expect("a value"),
    );
    headers.append("x-many", "1".parse().expect("a value"));
    headers.append("x-many", "2".parse().expect("a value"));
    response
}

#[tokio::test]
async fn h2_the_headers_of_the_handler_stay_vary_and_cache_control_too() {
    let server = Server::start(Router::new().route("/{name}", get(text))).await;
    let first = server.get("/ada").await;
    let second = server.get("/ada").await;
    assert!(second.is_hit());
    for reply in [first, second] {
        assert_eq!(reply.header("vary").as_deref(), Some("accept-language"));
        assert_eq!(
            reply.header("cache-control").as_deref(),
            Some("public, max-age=5")
        );
        assert_eq!(reply.header("x-many").as_deref(), Some("1, 2"));
        assert_eq!(reply.text(), "hello ada");
    }
}

#[tokio::test]
async fn h2_a_304_keeps_vary() {
    let server = Server::start(Router::new().route("/{name}", get(text))).await;
    let etag = server.get("/ada").await.header("etag").expect("a tag");
    let reply = server.send("GET", "/ada", &[("if-none-match", &etag)]).await;
    assert_eq!(reply.status, 304);
    assert_eq!(reply.header("vary").as_deref(), Some("accept-language"));
}

#[tokio::test]
async fn h2_a_bypass_says_so() {
    let server = Server::start(Router::new().route("/{name}", get(text))).await;
    server.get("/direct").await;
    assert_eq!(
        server.get("/direct").await.cache_status(),
        "cache-core; fwd=bypass"
    );
    assert_eq!(server.manager.stats().entries, 0);
}

#[derive(Clone)]
struct User {
    id: u32,
}

#[derive(Deserialize)]
struct Search {
    text: String,
}

#[cache_response(key = "h2mine:{user.id}:{q.text:lower}", ttl = "60s", skip(headers))]
async fn mine(
    Extension(user): Extension<User>,
    headers: HeaderMap,
    Query(q): Query<Search>,
) -> (StatusCode, String) {
    assert!(headers.contains_key("host"));
    (StatusCode::OK, format!("{} for {}", q.text, user.id))
}

#[tokio::test]
async fn h2_what_is_keyed_by_more_than_the_url_is_private_to_caches_that_know_the_url_alone() {
    let routes = Router::new()
        .route("/mine", get(mine))
        .layer(Extension(User { id: 7 }));
    let server = Server::start(routes).await;
    for _ in 0..2 {
        let reply = server.get("/mine?text=Bonn").await;
        assert_eq!(reply.text(), "Bonn for 7");
        assert_eq!(
            reply.header("cache-control").as_deref(),
            Some("private, max-age=60")
        );
    }
    assert!(server.get("/mine?text=BONN").await.is_hit());
}

#[tokio::test]
async fn extractors_run_on_hits_too() {
    let routes = Router::new().route("/mine", get(mine));
    let routes = Router::new()
        .nest("/known", routes.clone().layer(Extension(User { id: 7 })))
        .nest("/unknown", routes);
    let server = Server::start(routes).await;
    server.get("/known/mine?text=a").await;
    assert!(server.get("/known/mine?text=a").await.is_hit());
    assert_eq!(
        server.get("/unknown/mine?text=a").await.status,
        500,
        "there is no user"
    );
    assert_eq!(server.get("/known/mine").await.status, 400, "there is no text");
}

#[cache_response(key = "h2dated", ttl = "60s")]
async fn dated() -> impl IntoResponse {
    ([(header::LAST_MODIFIED, "Tue, 15 Nov 1994 12:45:26 GMT")], "old")
}

#[tokio::test]
async fn h2_the_date_of_a_response_is_a_validator_where_it_has_one() {
    let server = Server::start(Router::new().route("/", get(dated))).await;
    let same = [("if-modified-since", "Tue, 15 Nov 1994 12:45:26 GMT")];
    assert_eq!(server.send("GET", "/", &same).await.status, 304);
    let other = [("if-modified-since", "Mon, 14 Nov 1994 12:45:26 GMT")];
    assert_eq!(server.send("GET", "/", &other).await.status, 200);
    let with_tag = [same[0], ("if-none-match", "\"other\"")];
    assert_eq!(
        server.send("GET", "/", &with_tag).await.status,
        200,
        "a tag goes before a date"
    );
}

#[tokio::test]
async fn h2_without_the_layer_a_response_has_all_but_what_needs_the_request() {
    let (routes, runs) = leads();
    let manager = cache_core::CacheManager::in_memory();
    // The routes find the manager through a middleware of the test's own.
    let scope = manager.clone();
    let routes = routes.layer(axum::middleware::from_fn(
        move |request: axum::extract::Request, next: axum::middleware::Next| {
            let scope = scope.clone();
            async move { scope.scope(next.run(request)).await }
        },
    ));
    let server = Server::bare(manager, routes).await;
    let first = server.get("/leads/1").await;
    let etag = first.header("etag").expect("a tag");
    let second = server
        .send(
            "GET",
            "/leads/1",
            &[("if-none-match", &etag), ("cache-control", "no-cache")],
        )
        .await;
    assert_eq!(second.status, 200);
    assert!(second.is_hit());
    assert!(second.header("age").is_some() && second.header("cache-control").is_some());
    assert_eq!(runs.load(Relaxed), 1);
}

#[cache_response(key = "h2stale:{id}", ttl = "20ms", stale_while_revalidate = "60s")]
async fn stale(State(runs): State<&'static AtomicU32>, Path(id): Path<u64>) -> String {
    format!("{id} {}", runs.fetch_add(1, Relaxed) + 1)
}

#[tokio::test]
async fn h2_a_stale_response_says_how_long_it_has_been_stale() {
    let runs: &'static AtomicU32 = Box::leak(Box::default());
    let routes = Router::new().route("/{id}", get(stale)).with_state(runs);
    let server = Server::start(routes).await;
    assert_eq!(server.get("/1").await.text(), "1 1");
    tokio::time::pause();
    tokio::time::advance(Duration::from_millis(500)).await;
    let reply = server.get("/1").await;
    assert_eq!(reply.cache_status(), "cache-core; hit; ttl=-1");
}
