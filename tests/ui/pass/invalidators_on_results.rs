#![deny(warnings)]

use std::sync::Arc;

use cache_core::{cache_result, invalidate_cache};

#[derive(Clone, serde::Serialize, serde::Deserialize)]
struct Lead {
    id: u64,
    city: String,
}

#[cache_result(key = "lead:{id}:{city}")]
async fn lead(id: u64, city: String) -> Option<Lead> {
    Some(Lead { id, city })
}

#[invalidate_cache(lead(result.id, &result.city), "lead:{result.id}:*", tags = ["city:{result.city:lower}"])]
async fn update(id: u64) -> Result<Option<Arc<Lead>>, String> {
    Ok(Some(Arc::new(Lead { id, city: String::new() })))
}

fn main() {
    drop((update(1), lead(1, String::new())));
}
