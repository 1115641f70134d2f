//! A crate whose `Result`, `Option` and their kin are its own.
#![deny(warnings)]
#![allow(dead_code)]

use cache_core::{cache_result, invalidate, key};

type Result<T> = std::result::Result<T, String>;
type Option<T> = std::option::Option<Vec<T>>;
struct Arc;
struct Json;
struct Future;
struct Pin;
struct Box;
struct Send;
enum Ok {}
enum Some {}
trait Into {}
trait From {}
trait Default {}
trait Clone {}
trait AsRef {}

#[cache_result(key = "a:{id}", none_ttl = 5, ttl = std::time::Duration::from_secs(5))]
async fn get(id: u64) -> Result<Option<u64>> {
    std::result::Result::Ok(std::option::Option::Some(vec![id]))
}

async fn all(id: u64) {
    let _: Option<u64> = get::peek(&id).await;
    get::put(&id, vec![id]).await;
    let _ = get::refresh(id).await;
    invalidate!(get(id), "a:{id}:*").await;
    let _ = key!("a:{id}");
}

fn main() {
    drop(all(1));
}
