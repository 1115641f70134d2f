use cache_core::cache_result;

#[cache_result(key = "a:{id}", handle = A, handle = B)]
async fn get(id: u64) -> u64 {
    id
}

fn main() {}
