use cache_core::cache_result;

#[cache_result(key = "lead:{lead_id}", jitter = 1.0 / 8.0)]
async fn get_lead(lead_id: u64) -> Result<u64, anyhow::Error> {
    Ok(lead_id)
}

fn main() {}
