use cache_core::cache_result;

#[cache_result(key = "lead:{lead_id}", stale_if_error = "1h")]
async fn get_lead(lead_id: u64) -> Option<u64> {
    Some(lead_id)
}

fn main() {}
