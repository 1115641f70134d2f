use cache_core::cache_result;

#[cache_result(key = "touch:{id}")]
async fn touch(id: u64) {
    let _ = id;
}

fn main() {}
