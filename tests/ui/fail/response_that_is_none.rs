use axum::extract::Path;
use cache_core::cache_response;

struct Lead {
    id: u64,
}

#[cache_response(key = "lead:{id}", ttl = "30s")]
async fn lead(Path(id): Path<u64>) -> Lead {
    Lead { id }
}

fn main() {}
