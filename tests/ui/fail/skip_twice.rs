use cache_core::cache_result;

#[cache_result(key = "lead:{lead_id}", skip(db), skip(log))]
async fn get_lead(db: u8, log: u8, lead_id: u64) -> u64 {
    let _ = (db, log);
    lead_id
}

fn main() {}
