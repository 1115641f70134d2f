use cache_core::invalidate_cache;

#[invalidate_cache("lead:{lead_id}")]
async fn update(lead_id: u64) -> Result<u64, std::io::Error> {
    if lead_id == 0 {
        return "zero";
    }
    Ok(lead_id);
}

fn main() {}
