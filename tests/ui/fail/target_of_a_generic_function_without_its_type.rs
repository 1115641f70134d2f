use cache_core::{cache_result, invalidate_cache};

#[cache_result(key = "row:{T}:{id}")]
async fn row<T>(id: u64) -> u64 {
    id
}

#[invalidate_cache(row(id))]
async fn update(id: u64) -> u64 {
    id
}

fn main() {}
