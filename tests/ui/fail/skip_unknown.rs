use cache_core::cache_result;

struct Db;

#[cache_result(key = "lead:{lead_id}", skip(database))]
async fn get_lead(data_base: &Db, lead_id: u64) -> u64 {
    let _ = data_base;
    lead_id
}

fn main() {}
