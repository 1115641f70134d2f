#![deny(warnings)]

use axum::Json;
use axum::extract::{Path, Query, State};
use cache_core::cache_result;
use serde::Deserialize;

#[derive(Clone)]
struct App;

#[derive(Deserialize)]
struct Page {
    number: u32,
}

#[cache_result(key = "lead:{id}:{page.number}")]
async fn lead(
    State(app): State<App>,
    Path(id): Path<u64>,
    Query(page): Query<Page>,
) -> Result<Json<Vec<u64>>, String> {
    let _ = app;
    Ok(Json(vec![id, u64::from(page.number)]))
}

#[cache_result(key = "pair:{a}:{b}")]
async fn pair(Path((a, b)): Path<(u64, String)>) -> Result<Json<Option<String>>, String> {
    Ok(Json(Some(format!("{a}{b}"))))
}

#[cache_result(key = "number:{number}")]
async fn number(Query(Page { number }): Query<Page>) -> Json<Option<u32>> {
    Json(Some(number))
}

async fn all() {
    let page = Page { number: 1 };
    let _: Option<Vec<u64>> = lead::peek(&1, &page).await;
    lead::put(&1, &page, vec![]).await;
    let _ = lead::refresh(State(App), Path(1), Query(page)).await;
    let _: Option<String> = pair::peek(&1, "b").await;
    let _: Option<u32> = number::peek(&1_u32).await;
    number::invalidate(&1_u32).await;
}

fn main() {
    let _: axum::Router<App> = axum::Router::new()
        .route("/{id}", axum::routing::get(lead))
        .route("/{a}/{b}", axum::routing::get(pair))
        .route("/", axum::routing::get(number));
    drop(all());
}
