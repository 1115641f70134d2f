use cache_core::cache_result;

#[cache_result(key_type = "lead", key_fn = |id| *id)]
async fn lead(id: u64) -> u64 {
    id
}

fn main() {}
