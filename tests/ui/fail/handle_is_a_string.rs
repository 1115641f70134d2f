use cache_core::cache_result;

#[cache_result(key = "lead:{id}", handle = "Lead")]
async fn lead(id: u64) -> u64 {
    id
}

fn main() {}
