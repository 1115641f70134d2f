use cache_core::invalidate_cache;

#[invalidate_cache("lead:{result}")]
async fn update(lead_id: u64) -> Result<(), std::io::Error> {
    let _ = lead_id;
    Ok(())
}

fn main() {}
