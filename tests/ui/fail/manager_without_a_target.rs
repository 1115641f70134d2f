use cache_core::invalidate_cache;

#[invalidate_cache(manager = manager)]
async fn update(manager: &cache_core::CacheManager, lead_id: u64) -> Result<u64, std::io::Error> {
    let _ = manager;
    Ok(lead_id)
}

fn main() {}
