use cache_core::cache_lead_data;

#[cache_lead_data(id = customer)]
async fn get_lead(customer_id: u64) -> u64 {
    customer_id
}

fn main() {}
