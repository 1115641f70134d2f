#![deny(warnings)]

use axum::extract::{Path, Query, State};
use axum::routing::get;
use axum::{Extension, Json, Router};
use cache_core::{cache_lead_data, cache_result, cache_search_results, invalidate_cache};
use serde::{Deserialize, Serialize};

#[derive(Clone)]
struct App;

#[derive(Clone)]
struct User {
    id: u64,
}

#[derive(Clone, Serialize, Deserialize)]
struct Search {
    text: String,
    page: u32,
}

#[cache_lead_data]
async fn lead(State(_app): State<App>, Path(lead_id): Path<u64>) -> Json<u64> {
    Json(lead_id)
}

#[cache_search_results]
async fn search(State(App): State<App>, Query(search): Query<Search>) -> Json<Vec<u64>> {
    Json(vec![search.text.len() as u64])
}

#[cache_result(key = "mine:{user.id}:{a}:{b}:{q.text:lower}")]
async fn mine(
    State(_): State<App>,
    Extension(user): Extension<User>,
    Path((a, b)): Path<(u64, String)>,
    Query(q): Query<Search>,
) -> Result<Json<u64>, axum::http::StatusCode> {
    Ok(Json(user.id + a + b.len() as u64 + u64::from(q.page)))
}

#[cache_result(key = "open:{text}:{page}")]
async fn open(Query(Search { text, page }): Query<Search>, _: axum::http::Method) -> Json<u64> {
    Json(text.len() as u64 + u64::from(page))
}

#[invalidate_cache(lead(lead_id), search(..), mine(..))]
async fn update(State(_app): State<App>, Path(lead_id): Path<u64>, Json(body): Json<Search>) -> Json<u64> {
    Json(lead_id + u64::from(body.page))
}

fn main() {
    assert_eq!(lead::key(&7).as_str(), "lead:7");
    assert_eq!(open::key(&"a", &1_u32).as_str(), "open:a:1");
    let _router: Router = Router::new()
        .route("/leads/{id}", get(lead).put(update))
        .route("/search", get(search))
        .route("/mine/{a}/{b}", get(mine))
        .route("/open", get(open))
        .with_state(App);
}
