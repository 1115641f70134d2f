use cache_core::cache_result;

mod lead {}

#[cache_result(key = "lead:{id}")]
async fn lead(id: u64) -> u64 {
    id
}

fn main() {}
