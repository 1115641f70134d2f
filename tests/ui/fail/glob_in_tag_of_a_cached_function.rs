use cache_core::cache_result;

#[cache_result(key = "lead:{lead_id}", tags = ["lead:*"])]
async fn get_lead(lead_id: u64) -> Result<u64, anyhow::Error> {
    Ok(lead_id)
}

fn main() {}
