use cache_core::cache_result;

#[cache_result(key = "row:{id}", skip(T, T))]
async fn row<T>(id: u64) -> u64 {
    id
}

fn main() {}
