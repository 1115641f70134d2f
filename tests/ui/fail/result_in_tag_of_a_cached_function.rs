use cache_core::cache_lead_data;

#[cache_lead_data(tags = ["city:{result.city}"])]
async fn get_lead(lead_id: u64) -> Option<u64> {
    Some(lead_id)
}

fn main() {}
