use cache_core::cache_lead_data;

struct Db;

#[cache_lead_data(skip(db))]
async fn get_lead(db: &Db, lead_id: u64, language: &str) -> u64 {
    let _ = (db, language);
    lead_id
}

fn main() {}
