#![deny(warnings)]

use std::future::Future;
use std::pin::Pin;

use cache_core::{cache_result, invalidate_cache};

#[cache_result(key = "a:{id}")]
fn get(id: u64) -> Pin<Box<dyn Future<Output = Result<u64, String>> + Send>> {
    Box::pin(async move { Ok(id) })
}

#[invalidate_cache(get(id))]
fn forget<'a>(id: u64, name: &'a str) -> Pin<Box<dyn Future<Output = usize> + 'a>> {
    Box::pin(async move { name.len() + id as usize })
}

async fn all() {
    let _: Option<u64> = get::peek(&1).await;
    let _: Result<u64, String> = get::refresh(1).await;
    let _: Result<u64, String> = get(1).await;
    let _: usize = forget(1, "").await;
}

fn main() {
    drop(all());
}
