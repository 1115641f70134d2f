//! The routes, and how their errors look. Every answer to a client is JSON; every error says what was wrong.
//!
//! One lead is there in three ways: as a response that is stored whole, made from a value that is stored, and from the database
//! each time.

use std::num::NonZeroU32;

use axum::Router;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, State};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use cache_core::{CacheManager, cache_response};
use serde::{Deserialize, Serialize};
use serde_json::json;

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
        .route("/leads/{id}/value", get(show_value))
        .route("/leads/{id}/uncached", get(show_uncached))
        // `/health`, `/stats`, `/popular`, `/metrics`, `/catalogue`, and a page for people at `/`. This service listens on one
        // machine only; one that the world reaches nests them where its operators alone get.
        .merge(cache_core::axum::router(app.cache.clone()))
        .fallback(
            |uri: Uri| async move { ApiError::new(StatusCode::NOT_FOUND, format!("there is no {uri}")) },
        )
        .method_not_allowed_fallback(|| async {
            ApiError::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "this route does not take that method",
            )
        })
        // 304 for those who have a response already, and the manager for the functions that the handlers call.
        .layer(cache_core::axum::layer(app.cache.clone()))
        .with_state(app)
}

/// The whole response is stored: a hit serialises nothing. When the database fails, the last one is served for an hour.
#[cache_response(key = "page:{id}", ttl = "5m", stale_if_error = "1h", tags = ["lead:{id}"])]
async fn show(State(app): State<App>, Path(id): Path<u64>) -> Result<Json<Lead>, ApiError> {
    found(id, get_lead(&app.db, id).await)
}

/// The value is stored, and serialised for each request. The attribute is at `get_lead`.
async fn show_value(State(app): State<App>, Path(id): Path<u64>) -> Result<Json<Lead>, ApiError> {
    found(id, get_lead(&app.db, id).await)
}

/// The same, as if nothing were annotated.
async fn show_uncached(State(app): State<App>, Path(id): Path<u64>) -> Result<Json<Lead>, ApiError> {
    found(id, get_lead::uncached(&app.db, id).await)
}

fn found(id: u64, lead: anyhow::Result<Option<Lead>>) -> Result<Json<Lead>, ApiError> {
    lead?.map(Json).ok_or_else(|| ApiError::no_lead(id))
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
    let cache = app.cache.clone();
    let update = tokio::spawn(async move { cache.scope(update_lead(&app.db, id, changes)).await });
    let lead = update.await.map_err(anyhow::Error::from)??;
    lead.map(Json).ok_or_else(|| ApiError::no_lead(id))
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
