use cache_core::cache_result;

#[cache_result(key = "lead:{id}")]
async fn all_leads() -> u64 {
    0
}

fn main() {}
