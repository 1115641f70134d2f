#![deny(warnings)]

use cache_core::{Key, cache_result};

type Found<T> = Result<Option<T>, String>;

#[cache_result(key = "lead:{id}:{name}", skip(db), tags = ["leads", "lead:{id}"], ttl = 60)]
async fn get_lead(db: &str, id: u64, name: String) -> Found<Vec<u8>> {
    Ok(Some(vec![db.len() as u8, id as u8, name.len() as u8]))
}

async fn all() {
    let key: Key = get_lead::key(&1, "a");
    let peeked: Option<Vec<u8>> = get_lead::peek(&1, "a").await;
    get_lead::put(&1, "a", vec![]).await;
    let fresh: Found<Vec<u8>> = get_lead::refresh("db", 1, "a".to_owned()).await;
    let bare: Found<Vec<u8>> = get_lead::uncached("db", 1, "a".to_owned()).await;
    let was: bool = get_lead::invalidate(&1, "a").await;
    get_lead::invalidate_all().await;
    drop((key, peeked, fresh, bare, was));
}

fn main() {
    drop(all());
}
