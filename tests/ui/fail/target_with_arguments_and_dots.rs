use cache_core::invalidate_cache;

#[invalidate_cache(get_lead(lead_id, ..))]
async fn update(lead_id: u64) -> Result<u64, std::io::Error> {
    Ok(lead_id)
}

fn main() {}
