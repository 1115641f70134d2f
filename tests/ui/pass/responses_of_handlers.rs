#![deny(warnings)]

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use cache_core::axum::CachedResponse;
use cache_core::{CacheManager, cache_response, invalidate_cache};
use serde::{Deserialize, Serialize};

#[derive(Clone)]
struct App {
    limit: u32,
}

#[derive(Clone)]
struct User {
    id: u64,
}

#[derive(Serialize, Deserialize)]
struct Search {
    text: String,
    page: u32,
}

// Not `Clone`, and neither written nor read by serde's derive alone.
#[derive(Serialize)]
struct Lead<'a> {
    id: u64,
    name: &'a str,
}

struct ApiError;

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        StatusCode::BAD_GATEWAY.into_response()
    }
}

#[axum::debug_handler]
#[cache_response(key = "json:{id}", ttl = "30s")]
async fn json(State(app): State<App>, Path(id): Path<u64>) -> Json<Lead<'static>> {
    let _ = app.limit;
    Json(Lead { id, name: "Ada" })
}

#[axum::debug_handler(state = App)]
#[cache_response(key = "hidden:{id}", ttl = 30)]
async fn hidden(Path(id): Path<u64>) -> impl IntoResponse {
    (StatusCode::OK, [("x-id", id.to_string())], "body")
}

#[axum::debug_handler]
#[cache_response(key = "fallible:{a}:{b}", ttl = "30s", stale_if_error = "10m", tags = ["pair:{a}"])]
async fn fallible(
    State(_): State<App>,
    Path((a, b)): Path<(u64, String)>,
) -> Result<impl IntoResponse, ApiError> {
    let a = checked(a)?;
    if b.is_empty() {
        return Err(ApiError);
    }
    Ok(Json((a, b)))
}

fn checked(number: u64) -> Result<u64, ApiError> {
    Ok(number)
}

#[cache_response(key = "mine:{user.id}:{q.text:lower}:{q.page}", skip(headers), max_response_bytes = 64 * 1024)]
async fn mine(
    Extension(user): Extension<User>,
    headers: HeaderMap,
    Query(q): Query<Search>,
) -> Result<(StatusCode, Json<u64>), StatusCode> {
    if headers.is_empty() {
        return Err(StatusCode::BAD_REQUEST);
    }
    Ok((StatusCode::OK, Json(user.id + u64::from(q.page) + q.text.len() as u64)))
}

#[cache_response(
    key = "all:{id}",
    ttl = "30s",
    stale_while_revalidate = "5m",
    refresh_ahead = 0.8,
    soft_timeout = "100ms",
    hard_timeout = "1s",
    jitter = 0.1,
    cache_if = |response: &CachedResponse| response.status() == StatusCode::OK,
    bypass = id == 0,
    refresh = id == 1,
    tier = "memory",
    manager = cache,
    version = 2,
)]
async fn all(State(cache): State<CacheManager>, Path(id): Path<u64>) -> axum::response::Result<Response> {
    let _ = &cache;
    if id == 2 {
        return Err((StatusCode::NOT_FOUND, "no such thing").into());
    }
    Ok(format!("{id}").into_response())
}

// With neither key nor return type.
#[cache_response(ttl = "30s")]
async fn nothing(Path(_id): Path<u64>) {}

#[cache_response]
async fn plain() -> &'static str {
    "plain"
}

#[invalidate_cache(json(id), fallible(..), mine(..))]
async fn update(State(_): State<App>, Path(id): Path<u64>) -> StatusCode {
    let _ = id;
    StatusCode::NO_CONTENT
}

fn main() {
    assert_eq!(json::key(&7).as_str(), "json:7");
    let cache = CacheManager::in_memory();
    let _router: Router = Router::new()
        .route("/json/{id}", get(json).put(update))
        .route("/hidden/{id}", get(hidden))
        .route("/fallible/{a}/{b}", get(fallible))
        .route("/mine", get(mine))
        .route("/nothing/{id}", get(nothing))
        .route("/plain", get(plain))
        .with_state(App { limit: 1 })
        .route("/all/{id}", get(all).with_state(cache.clone()))
        .nest("/cache", cache_core::axum::router(cache.clone()))
        .layer(cache_core::axum::layer(cache));
}
