#![deny(warnings)]

use cache_core::{cache_lead_data, cache_result, invalidate_cache};
use tracing::instrument;

#[instrument]
#[cache_result(key = "above:{id}")]
async fn above(id: u64) -> Result<u64, String> {
    Ok(id)
}

#[cache_lead_data(skip(db))]
#[instrument(skip(db), err)]
async fn below(db: &str, lead_id: u64) -> Result<Option<u64>, String> {
    Ok(Some(lead_id + db.len() as u64))
}

#[instrument(skip_all)]
#[invalidate_cache(above(id), below(id))]
async fn forget(id: u64) -> Result<u64, String> {
    Ok(id)
}

#[invalidate_cache(above(id))]
#[instrument(ret)]
async fn forget_below(id: u64) -> u64 {
    id
}

fn main() {
    drop((above(1), above::refresh(1), below("", 1), below::uncached("", 1), forget(1), forget_below(1)));
}
