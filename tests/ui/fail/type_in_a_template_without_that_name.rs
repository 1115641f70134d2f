use cache_core::cache_result;

#[cache_result(key = "row:{Row}:{id}")]
async fn row<Rows>(id: u64) -> u64 {
    id
}

fn main() {}
