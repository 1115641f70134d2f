use cache_core::cache_result;
use axum::extract::Path;

#[cache_result(key = "pair:{a}")]
async fn pair(Path((a, b)): Path<(u64, u64)>) -> u64 {
    a + b
}

fn main() {}
