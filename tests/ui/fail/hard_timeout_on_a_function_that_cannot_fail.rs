use cache_core::cache_result;

#[cache_result(key = "lead:{lead_id}", hard_timeout = "5s")]
async fn get_lead(lead_id: u64) -> u64 {
    lead_id
}

fn main() {}
