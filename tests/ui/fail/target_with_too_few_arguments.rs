use cache_core::{cache_result, invalidate_cache};

#[cache_result(key = "lead:{lead_id}")]
async fn get_lead(lead_id: u64) -> u64 {
    lead_id
}

#[invalidate_cache(get_lead())]
async fn update(lead_id: u64) -> Result<u64, std::io::Error> {
    Ok(lead_id)
}

fn main() {}
