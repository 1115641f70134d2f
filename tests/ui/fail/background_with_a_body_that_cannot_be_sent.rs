use std::rc::Rc;

use cache_core::cache_result;

async fn load(id: u64) -> u64 {
    id
}

#[cache_result(key = "lead:{lead_id}", refresh_ahead = 0.8)]
async fn get_lead(lead_id: u64) -> u64 {
    let id = Rc::new(lead_id);
    load(*id).await + *id
}

fn main() {}
