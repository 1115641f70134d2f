use cache_core::cache_result;

#[cache_result(key = "lead:{lead_id}", tags = ["city:{city}"])]
async fn get_lead(lead_id: u64, city: String) -> u64 {
    lead_id + city.len() as u64
}

fn main() {}
