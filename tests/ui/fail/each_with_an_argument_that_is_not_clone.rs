use std::collections::HashMap;

use cache_core::cache_result;

struct Db;

#[cache_result(key = "user:{id}", skip(db), each = id in ids)]
async fn users(db: Db, ids: Vec<u64>) -> HashMap<u64, u64> {
    drop(db);
    ids.into_iter().map(|id| (id, id)).collect()
}

fn main() {}
