#![deny(warnings)]

use cache_core::{cache_result, entry, invalidate};

#[cache_result(key = "a:{id}", skip(db))]
async fn get(db: &str, id: u64) -> Result<Option<u64>, String> {
    Ok(Some(id + db.len() as u64))
}

fn is_send<T: Send>(_: T) {}

fn main() {
    is_send(get::peek(&1));
    is_send(get::put(&1, 2));
    is_send(get::refresh("", 1));
    is_send(get::uncached("", 1));
    is_send(get::invalidate(&1));
    is_send(get::invalidate_all());
    is_send(invalidate!(get(1), "a:*"));
    is_send(async { entry!(get(1)).put(2).await });
    is_send(cache_core::refresh(get("", 1)));
}
