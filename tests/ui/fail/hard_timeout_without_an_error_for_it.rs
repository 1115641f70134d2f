use cache_core::cache_result;

struct DbError;

#[cache_result(key = "lead:{lead_id}", hard_timeout = "5s")]
async fn get_lead(lead_id: u64) -> Result<Option<u64>, DbError> {
    Err(DbError).or(Ok(Some(lead_id)))
}

fn main() {}
