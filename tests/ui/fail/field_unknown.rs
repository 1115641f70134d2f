use cache_core::cache_result;
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize)]
struct Filters {
    city: String,
    page: u32,
}

#[cache_result(key = "search:{filters.citty}")]
async fn search(filters: Filters) -> u32 {
    filters.page
}

fn main() {}
