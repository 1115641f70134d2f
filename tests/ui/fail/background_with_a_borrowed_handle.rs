use cache_core::cache_lead_data;

struct Db;

#[cache_lead_data(skip(db), stale_while_revalidate = "5m")]
async fn get_lead(db: &Db, lead_id: u64) -> Option<u64> {
    let _ = db;
    Some(lead_id)
}

fn main() {}
