use cache_core::cache_result;

#[cache_result(key = "lead:{lead_id}", none_ttl = 0)]
async fn get_lead(lead_id: u64) -> Option<u64> {
    Some(lead_id)
}

fn main() {}
