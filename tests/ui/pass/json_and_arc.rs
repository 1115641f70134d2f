#![deny(warnings)]

use std::sync::Arc;

use axum::Json;
use cache_core::{cache_result, invalidate_cache};
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize)]
struct Lead {
    id: u64,
}

#[cache_result(key = "a:{id}")]
async fn json(id: u64) -> Json<Lead> {
    Json(Lead { id })
}

#[cache_result(key = "b:{id}", none_ttl = "10s")]
async fn all_of_them(id: u64) -> Result<Option<Json<Lead>>, axum::http::StatusCode> {
    Ok(Some(Json(Lead { id })))
}

#[cache_result(key = "c:{id}")]
async fn shared(id: u64) -> Arc<Lead> {
    Arc::new(Lead { id })
}

#[cache_result(key = "d:{id}", cache_if = |lead: &Lead| lead.id > 0)]
async fn shared_result(id: u64) -> Result<Arc<Lead>, std::io::Error> {
    Ok(Arc::new(Lead { id }))
}

#[invalidate_cache(json(result.id))]
async fn update(id: u64) -> Result<Json<Lead>, axum::http::StatusCode> {
    Ok(Json(Lead { id }))
}

fn main() {
    drop((json(1), all_of_them(1), shared(1), shared_result(1), update(1)));
}
