#![deny(warnings)]

use std::sync::Arc;

use cache_core::cache_result;

mod api {
    pub type Result<T = u8> = std::result::Result<T, String>;
    pub type Maybe<T> = Option<T>;
    pub type Leads = Result<Maybe<std::sync::Arc<Vec<u64>>>>;
}

#[cache_result(key = "a:{id}")]
async fn leads(id: u64) -> api::Leads {
    Ok(Some(Arc::new(vec![id])))
}

#[cache_result(key = "b:{id}")]
async fn byte(id: u64) -> api::Result {
    Ok(id as u8)
}

#[cache_result(key = "c:{id}")]
async fn twice(id: u64) -> Option<Option<u64>> {
    Some(Some(id))
}

async fn all() {
    let _: Option<Arc<Vec<u64>>> = leads::peek(&1).await;
    leads::put(&1, Arc::new(vec![1])).await;
    let _: Option<u8> = byte::peek(&1).await;
    byte::put(&1, 5).await;
    let _: Option<Option<u64>> = twice::peek(&1).await;
}

fn main() {
    drop(all());
}
