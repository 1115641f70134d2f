//! What is not stored, and that it reaches the client as it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use cache_core::cache_response;

use crate::server::Server;

#[derive(Clone, Default)]
struct App {
    runs: Arc<AtomicU32>,
}

impl App {
    fn run(&self) -> u32 {
        self.runs.fetch_add(1, Relaxed) + 1
    }
}

/// Answers with the header that the path names.
#[cache_response(key = "h3header:{name}:{value}", ttl = "60s")]
async fn with_header(State(app): State<App>, Path((name, value)): Path<(String, String)>) -> Response {
    let name: HeaderName = name.parse().expect("a name");
    let value = value.replace('_', " ");
    ([(name, value)], format!("run {}", app.run())).into_response()
}

#[cache_response(key = "h3status:{status}", ttl = "60s")]
async fn with_status(State(app): State<App>, Path(status): Path<u16>) -> impl IntoResponse {
    (
        StatusCode::from_u16(status).expect("a status"),
        format!("run {}", app.run()),
    )
}

struct Refused;

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        "refused, with status 200".into_response()
    }
}

#[cache_response(key = "h3fallible:{even}", ttl = "60s")]
async fn fallible(State(app): State<App>, Path(even): Path<u32>) -> Result<impl IntoResponse, Refused> {
    let run = app.run();
    if even % 2 == 1 {
        return Err(Refused);
    }
    let even = checked(even)?;
    Ok((StatusCode::OK, format!("run {run} of {even}")))
}

fn checked(number: u32) -> Result<u32, Refused> {
    if number > 100 { Err(Refused) } else { Ok(number) }
}

fn routes(app: App) -> Router {
    Router::new()
        .route("/header/{name}/{value}", get(with_header))
        .route("/status/{status}", get(with_status))
        .route("/fallible/{even}", get(fallible))
        .with_state(app)
}

async fn assert_not_stored(server: &Server, path: &str) {
    let first = server.get(path).await;
    let second = server.get(path).await;
    assert_eq!(first.cache_status(), "cache-core; fwd=miss", "{path}");
    assert_eq!(second.cache_status(), "cache-core; fwd=miss", "{path}");
    assert_eq!(first.header("age"), None, "{path}");
    assert_eq!(server.manager.stats().entries, 0, "{path}");
}

#[tokio::test]
async fn h3_a_response_with_a_cookie_is_not_stored() {
    let server = Server::start(routes(App::default())).await;
    assert_not_stored(&server, "/header/set-cookie/a=b").await;
    assert_eq!(
        server
            .get("/header/set-cookie/a=b")
            .await
            .header("set-cookie")
            .as_deref(),
        Some("a=b")
    );
}

#[tokio::test]
async fn h3_a_response_that_forbids_it_is_not_stored() {
    let server = Server::start(routes(App::default())).await;
    for value in ["no-store", "private", "private,_max-age=60", "No-Cache"] {
        assert_not_stored(&server, &format!("/header/cache-control/{value}")).await;
    }
    assert_not_stored(&server, "/header/vary/*").await;
}

#[tokio::test]
async fn h3_a_handlers_own_max_age_bounds_how_long_its_response_is_stored() {
    // The attribute says a minute.
    for (value, kept) in [
        ("max-age=10", "10"),
        ("public,_s-maxage=5,_max-age=30", "5"),
        ("max-age=600", "60"),
        ("public", "60"),
    ] {
        let server = Server::start(routes(App::default())).await;
        let path = format!("/header/cache-control/{value}");
        let first = server.get(&path).await;
        assert_eq!(first.cache_status(), "cache-core; fwd=miss; stored", "{value}");
        let second = server.get(&path).await;
        let status = second.cache_status();
        let left: u64 = status
            .rsplit('=')
            .next()
            .and_then(|left| left.parse().ok())
            .expect("a ttl");
        let kept: u64 = kept.parse().expect("seconds");
        assert!((kept - 2..=kept).contains(&left), "{value}: {status}");
        // What the handler said is told as it is.
        assert_eq!(
            second.header("cache-control"),
            Some(value.replace('_', " ")),
            "{value}"
        );
        assert_eq!(second.text(), "run 1", "{value}");
    }
}

#[tokio::test]
async fn h3_a_response_that_is_not_fresh_by_its_own_words_is_not_stored() {
    let server = Server::start(routes(App::default())).await;
    for value in ["max-age=0", "s-maxage=0,_max-age=60", "max-age=soon"] {
        assert_not_stored(&server, &format!("/header/cache-control/{value}")).await;
    }
}

#[cache_response(key = "h3said:{n}", ttl_from = |_: &cache_core::axum::CachedResponse| std::time::Duration::from_secs(40))]
async fn computed(Path(n): Path<u32>) -> Response {
    ([(header::CACHE_CONTROL, "max-age=20")], n.to_string()).into_response()
}

#[tokio::test]
async fn h3_it_bounds_a_ttl_that_is_computed_too() {
    let server = Server::start(Router::new().route("/said/{n}", get(computed))).await;
    server.get("/said/1").await;
    let status = server.get("/said/1").await.cache_status();
    assert!(
        ["20", "19", "18"]
            .iter()
            .any(|left| status.ends_with(&format!("ttl={left}"))),
        "{status}"
    );
}

#[tokio::test]
async fn h3_an_error_status_is_not_stored() {
    let server = Server::start(routes(App::default())).await;
    for status in [201, 206, 302, 303, 400, 404, 410, 500, 503] {
        assert_not_stored(&server, &format!("/status/{status}")).await;
    }
    let gone = server.get("/status/404").await;
    assert_eq!((gone.status, gone.header("cache-control")), (404, None));
}

#[tokio::test]
async fn h3_a_redirection_that_is_for_good_is_stored() {
    let server = Server::start(routes(App::default())).await;
    for status in [203, 301, 308] {
        server.get(&format!("/status/{status}")).await;
        let reply = server.get(&format!("/status/{status}")).await;
        assert_eq!(reply.status, status);
        assert!(reply.is_hit(), "{status}");
    }
}

#[tokio::test]
async fn h3_an_err_is_not_stored_whatever_its_status() {
    let server = Server::start(routes(App::default())).await;
    assert_not_stored(&server, "/fallible/1").await;
    assert_not_stored(&server, "/fallible/102").await;
    assert_eq!(server.get("/fallible/1").await.text(), "refused, with status 200");
    server.get("/fallible/2").await;
    assert!(server.get("/fallible/2").await.is_hit());
}

/// A body of so many frames of a kibibyte, which counts what was taken of it.
#[derive(Clone, Default)]
struct Source {
    taken: Arc<AtomicU64>,
}

impl Source {
    fn body(&self, frames: u64) -> Body {
        let taken = Arc::clone(&self.taken);
        Body::from_stream(futures_util::stream::iter(0..frames).map(move |frame| {
            taken.fetch_add(1, Relaxed);
            Ok::<_, std::io::Error>(Bytes::from(vec![frame as u8; 1024]))
        }))
    }
}

use futures_util::StreamExt as _;

fn expected(frames: u64) -> Vec<u8> {
    (0..frames).flat_map(|frame| vec![frame as u8; 1024]).collect()
}

#[cache_response(key = "h3stream:{frames}", ttl = "60s", max_response_bytes = 8 * 1024)]
async fn stream(State(source): State<Source>, Path(frames): Path<u64>) -> Body {
    source.body(frames)
}

#[cache_response(key = "h3known:{length}", ttl = "60s", max_response_bytes = 8 * 1024)]
async fn of_known_length(Path(length): Path<usize>) -> Vec<u8> {
    vec![7; length]
}

#[cache_response(key = "h3default:{length}", ttl = "60s")]
async fn of_default_limit(Path(length): Path<usize>) -> Vec<u8> {
    vec![7; length]
}

#[tokio::test]
async fn h3_a_stream_within_the_limit_is_stored() {
    let routes = Router::new()
        .route("/{frames}", get(stream))
        .with_state(Source::default());
    let server = Server::start(routes).await;
    assert_eq!(server.get("/8").await.body, expected(8));
    let hit = server.get("/8").await;
    assert!(hit.is_hit());
    assert_eq!(hit.body, expected(8));
    assert_eq!(hit.header("content-length").as_deref(), Some("8192"));
}

#[tokio::test]
async fn h3_a_stream_over_the_limit_passes_through_whole_and_is_not_stored() {
    let routes = Router::new()
        .route("/{frames}", get(stream))
        .with_state(Source::default());
    let server = Server::start(routes).await;
    for _ in 0..2 {
        let reply = server.get("/40").await;
        assert_eq!(reply.cache_status(), "cache-core; fwd=miss");
        assert_eq!(reply.body, expected(40));
        assert_eq!(reply.header("etag"), None);
    }
    assert_eq!(server.manager.stats().entries, 0);
}

#[tokio::test]
async fn h3_a_stream_over_the_limit_is_not_held_beyond_it() {
    let source = Source::default();
    let response = stream(State(source.clone()), Path(40)).await;
    // Eight frames are the limit; the ninth shows that there is more.
    assert_eq!(source.taken.load(Relaxed), 9);
    let body = axum::body::to_bytes(response.into_body(), usize::MAX)
        .await
        .expect("the body");
    assert_eq!(body, expected(40));
}

#[tokio::test]
async fn h3_a_body_that_is_known_to_be_too_long_passes_with_its_length() {
    let server = Server::start(
        Router::new()
            .route("/{length}", get(of_known_length))
            .route("/default/{length}", get(of_default_limit)),
    )
    .await;
    let reply = server.get("/8193").await;
    assert_eq!(reply.header("content-length").as_deref(), Some("8193"));
    assert_not_stored(&server, "/8193").await;
    assert_not_stored(&server, &format!("/default/{}", 2 * 1024 * 1024 + 1)).await;
    for path in ["/8192".to_owned(), format!("/default/{}", 2 * 1024 * 1024)] {
        server.get(&path).await;
        assert!(server.get(&path).await.is_hit(), "{path}");
    }
}

#[cache_response(key = "h3broken", ttl = "60s")]
async fn broken() -> Body {
    let parts = [
        Ok(Bytes::from_static(b"first")),
        Err(std::io::Error::other("the source broke")),
    ];
    Body::from_stream(futures_util::stream::iter(parts))
}

#[tokio::test]
async fn h3_a_body_that_fails_is_not_stored_and_fails_for_the_client_too() {
    let manager = cache_core::CacheManager::in_memory();
    let response = manager.scope(broken()).await;
    let mut frames = response.into_body().into_data_stream();
    assert_eq!(frames.next().await.expect("a frame").expect("data"), "first");
    assert!(frames.next().await.expect("a frame").is_err());
    assert_eq!(manager.stats().entries, 0);
}

#[cache_response(key = "h3events", ttl = "60s")]
async fn events() -> impl IntoResponse {
    let first = futures_util::stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"data: 1\n\n"))]);
    let endless = first.chain(futures_util::stream::pending());
    (
        [(header::CONTENT_TYPE, "text/event-stream")],
        Body::from_stream(endless),
    )
}

#[tokio::test]
async fn h3_events_that_never_end_begin_at_once() {
    let response = tokio::time::timeout(std::time::Duration::from_secs(10), events())
        .await
        .expect("a response");
    let mut frames = response.into_response().into_body().into_data_stream();
    assert_eq!(
        frames.next().await.expect("a frame").expect("data"),
        "data: 1\n\n"
    );
}
