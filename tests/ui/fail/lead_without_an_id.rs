use cache_core::cache_lead_data;

#[cache_lead_data]
async fn get_lead(id: u64) -> u64 {
    id
}

fn main() {}
