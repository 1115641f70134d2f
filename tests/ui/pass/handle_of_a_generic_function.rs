#![deny(warnings)]

use std::fmt::Display;

use cache_core::{CacheKey, cache_result, invalidate_cache};

#[cache_result(key = "shown:{value}")]
async fn shown<T: CacheKey + Display>(value: T) -> Result<String, String> {
    Ok(value.to_string())
}

#[cache_result(key = "list:{value}")]
async fn list<T>(value: T) -> Result<Option<Vec<T>>, String>
where
    T: CacheKey + Clone + Send + Sync + serde::Serialize + serde::de::DeserializeOwned + 'static,
{
    Ok(Some(vec![value]))
}

#[invalidate_cache(shown(1_u8), list::<u8>(1), list(..))]
async fn forget() {}

async fn all() {
    let _: Option<String> = shown::peek(&1).await;
    let _: Option<Vec<u8>> = list::peek(&1).await;
    list::put(&1_u8, vec![1]).await;
    let _ = list::refresh(1_u8).await;
    let _ = shown::uncached(1_u8).await;
}

fn main() {
    drop((all(), forget(), shown(1), list(1)));
}
