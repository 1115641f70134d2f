use axum::extract::Path;
use axum::response::IntoResponse;

//@ attribute cache_core::cache_response(key = "thing:{id}")
async fn get(Path(id): Path<u64>) -> impl IntoResponse {
    let unused = 1;
    if id == 0 {
        return "zero";
    }
    id.to_string()
}

fn main() {
    drop(get(Path(1)));
}
