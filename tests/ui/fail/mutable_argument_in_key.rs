use cache_core::cache_result;

#[cache_result(key = "count:{count}")]
async fn count(count: &mut u64) -> u64 {
    *count += 1;
    *count
}

fn main() {}
