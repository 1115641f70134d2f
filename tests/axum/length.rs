//! `Content-Length`: that of the same handler without a cache, on a miss and on a hit.

use axum::Router;
use axum::extract::{Path, Request};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use cache_core::{CacheManager, cache_response};

use crate::client::Reply;
use crate::server::Server;

/// Nothing, a text, and a text whose length the handler tells itself.
fn made(what: &str) -> Response {
    match what {
        "nothing" => StatusCode::NO_CONTENT.into_response(),
        "empty" => "".into_response(),
        "told" => ([(header::CONTENT_LENGTH, "5")], "hello").into_response(),
        other => other.to_owned().into_response(),
    }
}

async fn plain(Path(what): Path<String>) -> Response {
    made(&what)
}

#[cache_response(key = "length:{what}", ttl = "60s")]
async fn cached(Path(what): Path<String>) -> Response {
    made(&what)
}

fn routes() -> Router {
    Router::new()
        .route("/plain/{what}", get(plain))
        .route("/cached/{what}", get(cached))
}

fn seen(reply: &Reply) -> (u16, Option<String>, &[u8]) {
    (reply.status, reply.header("content-length"), &reply.body)
}

/// Asks both handlers for the same; the one with a cache twice.
async fn are_alike(server: &Server) {
    for method in ["GET", "HEAD"] {
        for what in ["nothing", "empty", "told", "some text"] {
            let what = what.replace(' ', "%20");
            let expected = server.send(method, &format!("/plain/{what}"), &[]).await;
            server.manager.clear().await;
            for is_hit in [false, true] {
                let reply = server.send(method, &format!("/cached/{what}"), &[]).await;
                assert_eq!(reply.is_hit(), is_hit, "{method} {what}");
                assert_eq!(seen(&reply), seen(&expected), "{method} {what}, {is_hit}");
            }
        }
    }
}

#[tokio::test]
async fn h2_the_length_is_that_of_the_handler_without_a_cache() {
    are_alike(&Server::start(routes()).await).await;
}

#[tokio::test]
async fn h2_the_length_is_that_of_the_handler_without_a_cache_and_without_the_layer() {
    let manager = CacheManager::in_memory();
    let scope = manager.clone();
    let scoped = from_fn(move |request: Request, next: Next| {
        let scope = scope.clone();
        async move { scope.scope(next.run(request)).await }
    });
    are_alike(&Server::bare(manager, routes().layer(scoped)).await).await;
}

#[tokio::test]
async fn h2_a_length_is_told_once_and_not_for_what_has_no_body() {
    let server = Server::start(routes()).await;
    for (method, what, expected) in [
        ("GET", "told", Some("5")),
        ("HEAD", "told", Some("5")),
        ("GET", "four", Some("4")),
        ("HEAD", "four", Some("4")),
        ("GET", "empty", Some("0")),
        ("GET", "nothing", None),
    ] {
        server.get(&format!("/cached/{what}")).await;
        let reply = server.send(method, &format!("/cached/{what}"), &[]).await;
        assert!(reply.is_hit());
        assert_eq!(
            reply.header("content-length").as_deref(),
            expected,
            "{method} {what}"
        );
    }
}

/// A middleware that knows nothing of lengths, since those are told behind it.
async fn twice(request: Request, next: Next) -> Response {
    let (parts, body) = next.run(request).await.into_parts();
    let body = axum::body::to_bytes(body, 100).await.expect("a body");
    Response::from_parts(parts, [&body[..], &body[..]].concat().into())
}

#[tokio::test]
async fn h2_a_body_that_a_middleware_replaces_has_its_own_length() {
    let server = Server::start(routes().layer(from_fn(twice))).await;
    for is_hit in [false, true] {
        let reply = server.get("/cached/text").await;
        assert_eq!((reply.is_hit(), reply.text()), (is_hit, "texttext"));
        assert_eq!(reply.header("content-length").as_deref(), Some("8"));
    }
}
