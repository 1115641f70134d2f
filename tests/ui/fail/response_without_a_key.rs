use axum::Json;
use axum::extract::Query;
use cache_core::cache_response;
use serde::Deserialize;

#[derive(Deserialize)]
struct Search {
    text: String,
}

#[cache_response(ttl = "30s")]
async fn search(Query(search): Query<Search>) -> Json<String> {
    Json(search.text)
}

fn main() {}
