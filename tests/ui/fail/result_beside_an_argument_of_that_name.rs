use cache_core::invalidate_cache;

#[invalidate_cache("lead:{result}")]
async fn update(result: u64) -> Result<u64, std::io::Error> {
    Ok(result)
}

fn main() {}
