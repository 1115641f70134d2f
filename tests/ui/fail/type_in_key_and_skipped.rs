use cache_core::cache_result;

#[cache_result(key = "row:{T}:{id}", skip(T))]
async fn row<T>(id: u64) -> u64 {
    id
}

fn main() {}
