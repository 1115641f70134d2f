#![deny(warnings)]

use cache_core::{cache_result, invalidate};

#[cache_result(key = "page:{SIZE}:{page}")]
async fn page<const SIZE: usize>(page: u32) -> Vec<u32> {
    vec![page; SIZE]
}

async fn all() {
    let _: Option<Vec<u32>> = page::peek::<3>(&1).await;
    let _ = page::refresh::<3>(1).await;
    invalidate!(page::<3>(1), page(..)).await;
}

fn main() {
    assert_eq!(page::key::<3>(&1).as_str(), "page:3:1");
    drop((all(), page::<3>(1)));
}
