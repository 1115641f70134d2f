use axum::Json;
use axum::extract::Path;
use cache_core::cache_response;

#[cache_response(key = "lead:{id}", max_response_bytes = "64k")]
async fn lead(Path(id): Path<u64>) -> Json<u64> {
    Json(id)
}

fn main() {}
