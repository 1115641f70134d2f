use cache_core::invalidate_cache;
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize)]
struct Lead {
    id: u64,
    city: String,
}

#[invalidate_cache("lead:{result.town}")]
async fn update(lead_id: u64) -> Result<Lead, std::io::Error> {
    Ok(Lead { id: lead_id, city: String::new() })
}

fn main() {}
