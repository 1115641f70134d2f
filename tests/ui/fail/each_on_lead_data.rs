use cache_core::cache_lead_data;

#[cache_lead_data(each = lead_id in lead_ids)]
async fn leads(lead_ids: Vec<u64>) -> Vec<u64> {
    lead_ids
}

fn main() {}
