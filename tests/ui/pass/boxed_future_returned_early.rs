#![deny(warnings)]

use std::future::ready;
use std::pin::Pin;

use cache_core::{cache_result, invalidate_cache};

#[cache_result(key = "a:{id}")]
fn get(id: u64) -> Pin<Box<dyn Future<Output = Result<u64, String>> + Send>> {
    if id == 0 {
        return Box::pin(ready(Ok(0)));
    }
    Box::pin(async move { Ok(id) })
}

#[invalidate_cache(get(id))]
fn forget<'a>(mut id: u64, name: &'a str) -> Pin<Box<dyn Future<Output = usize> + 'a>> {
    if name.is_empty() {
        return Box::pin(async move { name.len() });
    }
    id += 1;
    Box::pin(async move { name.len() + id as usize })
}

async fn all() {
    let _: Result<u64, String> = get(1).await;
    let _: usize = forget(1, "").await;
}

fn main() {
    drop(all());
}
