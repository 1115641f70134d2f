use cache_core::cache_lead_data;

trait Store {
    async fn load(lead_id: u64) -> Option<u64>;
}

struct Pg;

impl Store for Pg {
    #[cache_lead_data]
    async fn load(lead_id: u64) -> Option<u64> {
        Some(lead_id)
    }
}

fn main() {}
