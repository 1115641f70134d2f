//! The routes, and how their errors look. Every answer is JSON; every error says what was wrong.

use std::num::NonZeroU32;

use axum::Router;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, State};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use cache_core::{CacheManager, FunctionStats};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::db::Db;
use crate::leads::{Changes, Filters, Lead, Status, get_lead, search_leads, update_lead};

#[derive(Clone)]
pub struct App {
    pub db: Db,
    pub cache: CacheManager,
}

pub fn router(app: App) -> Router {
    Router::new()
        .route("/leads", get(list))
        .route("/leads/{id}", get(show).put(change))
        .route("/popular", get(popular))
        .route("/stats", get(stats))
        .route("/health", get(health))
        // For those who operate it: a page, and `/cache/metrics` for Prometheus.
        .nest("/cache", cache_core::axum::router(app.cache.clone()))
        .fallback(
            |uri: Uri| async move { ApiError::new(StatusCode::NOT_FOUND, format!("there is no {uri}")) },
        )
        .method_not_allowed_fallback(|| async {
            ApiError::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "this route does not take that method",
            )
        })
        .with_state(app)
}

async fn show(State(app): State<App>, Path(id): Path<u64>) -> Result<Json<Lead>, ApiError> {
    get_lead(&app.db, id)
        .await?
        .map(Json)
        .ok_or_else(|| ApiError::no_lead(id))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Search {
    #[serde(default)]
    text: String,
    city: Option<String>,
    status: Option<Status>,
    page: Option<NonZeroU32>,
}

async fn list(State(app): State<App>, Query(search): Query<Search>) -> Result<Json<Vec<Lead>>, ApiError> {
    let filters = Filters {
        city: search.city,
        status: search.status,
    };
    let page = search.page.unwrap_or(NonZeroU32::MIN);
    Ok(Json(
        search_leads(&app.db, search.text.trim(), &filters, page).await?,
    ))
}

async fn change(
    State(app): State<App>,
    Path(id): Path<u64>,
    Json(changes): Json<Changes>,
) -> Result<Json<Lead>, ApiError> {
    if let Some(mistake) = changes.mistake() {
        return Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, mistake));
    }
    // In a task of its own, since a client that hangs up ends its handler: the lead could be changed by then, and the
    // cache not told.
    let update = tokio::spawn(async move { update_lead(&app.db, id, changes).await });
    let lead = update.await.map_err(anyhow::Error::from)??;
    lead.map(Json).ok_or_else(|| ApiError::no_lead(id))
}

async fn popular(State(app): State<App>) -> Json<Value> {
    let top = app.cache.popular_searches().top(10).await;
    Json(
        top.into_iter()
            .map(|(text, count)| json!({ "text": text, "count": count }))
            .collect(),
    )
}

async fn stats(State(app): State<App>) -> Json<Value> {
    let stats = app.cache.stats();
    let functions: serde_json::Map<_, _> = stats
        .functions
        .iter()
        .map(|(path, counted)| (path.clone(), counts(counted)))
        .collect();
    Json(json!({
        "total": counts(&stats.total),
        "functions": functions,
        "entries": stats.entries,
        "memory_bytes": stats.memory_bytes,
    }))
}

fn counts(stats: &FunctionStats) -> Value {
    json!({
        "memory_hits": stats.memory_hits,
        "redis_hits": stats.redis_hits,
        "misses": stats.misses,
        "loads": stats.loads,
        "coalesced": stats.coalesced,
        "invalidations": stats.invalidations,
        "evictions": stats.evictions,
        "errors": stats.errors,
        "hit_ratio": stats.hit_ratio(),
    })
}

/// A service whose Redis is away still answers, so this is 200 in any case.
async fn health(State(app): State<App>) -> Json<Value> {
    let health = app.cache.health().await;
    Json(json!({
        "cache": health.status.to_string(),
        "redis": health.redis.map(|redis| json!({
            "connected": redis.connected,
            "version": redis.version,
            "last_error": redis.last_error,
        })),
        "pending_invalidations": health.pending_invalidations,
    }))
}

/// axum's own extractors, with errors in JSON.
#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(ApiError))]
struct Path<T>(T);

#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Query), rejection(ApiError))]
struct Query<T>(T);

#[derive(FromRequest)]
#[from_request(via(axum::Json), rejection(ApiError))]
struct Json<T>(T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

struct ApiError {
    status: StatusCode,
    message: String,
}

impl ApiError {
    fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
        }
    }

    fn no_lead(id: u64) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("there is no lead {id}"))
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        (self.status, axum::Json(json!({ "error": self.message }))).into_response()
    }
}

impl From<PathRejection> for ApiError {
    fn from(rejection: PathRejection) -> Self {
        Self::new(rejection.status(), rejection.body_text())
    }
}

impl From<QueryRejection> for ApiError {
    fn from(rejection: QueryRejection) -> Self {
        Self::new(rejection.status(), rejection.body_text())
    }
}

impl From<JsonRejection> for ApiError {
    fn from(rejection: JsonRejection) -> Self {
        Self::new(rejection.status(), rejection.body_text())
    }
}

impl From<anyhow::Error> for ApiError {
    fn from(error: anyhow::Error) -> Self {
        tracing::error!(%error, "a query failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "the database cannot answer")
    }
}
