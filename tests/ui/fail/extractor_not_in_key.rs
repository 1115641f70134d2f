use cache_core::cache_result;
use axum::Json;
use axum::extract::{Path, State};

struct CurrentUser(u64);

#[cache_result(key = "lead:{id}")]
async fn lead(State(_app): State<u8>, CurrentUser(user): CurrentUser, Path(id): Path<u64>) -> Json<u64> {
    Json(id + user)
}

fn main() {}
