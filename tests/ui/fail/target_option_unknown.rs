use cache_core::invalidate_cache;

#[invalidate_cache("lead:{lead_id}", tag = ["a"])]
async fn update(lead_id: u64) -> Result<u64, std::io::Error> {
    Ok(lead_id)
}

fn main() {}
