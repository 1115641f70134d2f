#![deny(warnings)]

use axum::extract::{Path, State};
use axum::{Json, debug_handler};
use cache_core::{cache_result, invalidate_cache};

#[derive(Clone)]
struct App;

#[debug_handler]
#[cache_result(key = "above:{id}")]
async fn above(State(app): State<App>, Path(id): Path<u64>) -> Result<Json<u64>, String> {
    let App = app;
    Ok(Json(id))
}

#[cache_result(key = "below:{id}")]
#[debug_handler]
async fn below(State(app): State<App>, Path(id): Path<u64>) -> Result<Json<u64>, String> {
    let App = app;
    Ok(Json(id))
}

#[debug_handler]
#[invalidate_cache(above(id), below(id))]
async fn forget(State(_): State<App>, Path(id): Path<u64>) -> Json<u64> {
    Json(id)
}

fn main() {
    let _: axum::Router = axum::Router::new()
        .route("/a/{id}", axum::routing::get(above).post(forget))
        .route("/b/{id}", axum::routing::get(below))
        .with_state(App);
}
