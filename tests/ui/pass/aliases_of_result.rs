#![deny(warnings)]

use cache_core::{cache_result, invalidate_cache};
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize)]
struct Lead {
    id: u64,
}

#[derive(Debug)]
struct ApiError;

type ApiResult<T> = Result<T, ApiError>;
type Found = Option<Lead>;

#[cache_result(key = "a:{id}")]
async fn anyhow_result(id: u64) -> anyhow::Result<Lead> {
    anyhow::ensure!(id > 0, "no such lead");
    Ok(Lead { id })
}

#[cache_result(key = "b:{id}")]
async fn own_result(id: u64) -> ApiResult<Lead> {
    let id = Some(id).ok_or(ApiError)?;
    Ok(Lead { id })
}

#[cache_result(key = "c:{id}", none_ttl = "1m")]
async fn own_option(id: u64) -> Found {
    Some(Lead { id })
}

#[cache_result(key = "d:{id}", none_ttl = 60)]
async fn both(id: u64) -> ApiResult<Found> {
    Ok(Some(Lead { id }))
}

#[cache_result(key = "e:{id}")]
async fn io(id: u64) -> std::io::Result<Vec<Lead>> {
    Ok(vec![Lead { id }])
}

#[invalidate_cache(anyhow_result(id), own_result(result.id), "d:{result.id}")]
async fn update(id: u64) -> ApiResult<Found> {
    Ok(Some(Lead { id }))
}

#[invalidate_cache(anyhow_result(id))]
async fn remove(id: u64) -> anyhow::Result<()> {
    anyhow::ensure!(id > 0, "no such lead");
    Ok(())
}

fn main() {
    drop((anyhow_result(1), own_result(1), own_option(1), both(1), io(1), update(1), remove(1)));
}
