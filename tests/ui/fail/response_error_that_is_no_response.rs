use axum::Json;
use axum::extract::Path;
use cache_core::cache_response;

struct DbError;

#[cache_response(key = "lead:{id}", ttl = "30s")]
async fn lead(Path(id): Path<u64>) -> Result<Json<u64>, DbError> {
    Ok(Json(id))
}

fn main() {}
