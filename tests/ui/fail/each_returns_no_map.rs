use cache_core::cache_result;

#[cache_result(key = "user:{id}", each = id in ids)]
async fn users(ids: Vec<u64>) -> Result<Vec<u64>, std::io::Error> {
    Ok(ids)
}

fn main() {}
