use cache_core::cache_result;

struct Db;

#[cache_result(key = "lead:{lead_id}", skip(db, db))]
async fn get_lead(db: &Db, lead_id: u64) -> u64 {
    let _ = db;
    lead_id
}

fn main() {}
