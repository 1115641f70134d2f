use cache_core::cache_lead_data;

#[cache_lead_data(key = "lead:{lead_id}")]
async fn get_lead(lead_id: u64) -> u64 {
    lead_id
}

fn main() {}
