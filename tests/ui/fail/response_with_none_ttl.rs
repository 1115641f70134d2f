use axum::Json;
use axum::extract::Path;
use cache_core::cache_response;

#[cache_response(key = "lead:{id}", none_ttl = "30s")]
async fn lead(Path(id): Path<u64>) -> Json<Option<u64>> {
    Json(Some(id))
}

fn main() {}
