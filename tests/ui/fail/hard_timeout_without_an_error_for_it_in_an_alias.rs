use cache_core::cache_result;

struct DbError;

type DbResult<T> = Result<T, DbError>;

#[cache_result(key = "lead:{lead_id}", hard_timeout = "5s")]
async fn get_lead(lead_id: u64) -> DbResult<u64> {
    Err(DbError).or(Ok(lead_id))
}

fn main() {}
