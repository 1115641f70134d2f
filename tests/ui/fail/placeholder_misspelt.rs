use cache_core::cache_result;
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize)]
struct Filters {
    city: String,
    page: u32,
}

#[cache_result(key = "lead:{leadid}:{filters.city}")]
async fn get_lead(lead_id: u64, filters: Filters) -> Result<u64, std::io::Error> {
    let _ = filters;
    Ok(lead_id)
}

fn main() {}
