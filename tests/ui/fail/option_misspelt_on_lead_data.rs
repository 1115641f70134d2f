use cache_core::cache_lead_data;

#[cache_lead_data(hard_timout = "5s")]
async fn get_lead(lead_id: u64) -> Result<u64, anyhow::Error> {
    Ok(lead_id)
}

fn main() {}
