use cache_core::cache_result;

#[cache_result(key = "lead:{lead_id}", ttl = 90s)]
async fn get_lead(lead_id: u64) -> u64 {
    lead_id
}

fn main() {}
