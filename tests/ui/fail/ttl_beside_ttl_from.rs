use std::time::Duration;

use cache_core::cache_result;

struct Lead {
    age: Duration,
}

#[cache_result(key = "lead:{id}", tier = memory, ttl = "30m", ttl_from = |lead| lead.age)]
async fn get_lead(id: u64) -> std::sync::Arc<Lead> {
    std::sync::Arc::new(Lead { age: Duration::from_secs(id) })
}

fn main() {}
