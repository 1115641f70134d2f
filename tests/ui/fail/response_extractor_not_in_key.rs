use axum::extract::Path;
use axum::{Extension, Json};
use cache_core::cache_response;

#[derive(Clone)]
struct User {
    id: u64,
}

#[cache_response(key = "lead:{id}", ttl = "30s")]
async fn lead(Extension(user): Extension<User>, Path(id): Path<u64>) -> Json<u64> {
    Json(user.id + id)
}

fn main() {}
