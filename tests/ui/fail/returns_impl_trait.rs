use cache_core::cache_result;

#[cache_result(key = "numbers:{n}")]
async fn numbers(n: u64) -> impl Iterator<Item = u64> {
    0..n
}

fn main() {}
