use cache_core::cache_result;

#[cache_result(key = "lead:{id}", cache_if = |a, b| a == b)]
async fn lead(id: u64) -> u64 {
    id
}

fn main() {}
