#![deny(warnings)]

use cache_core::cache_result;

#[cache_result(key = "old:{id}")]
#[deprecated = "use another one"]
async fn old(id: u64) -> u64 {
    id
}

#[deprecated]
#[cache_result(key = "older:{id}")]
async fn older(id: u64) -> u64 {
    id
}

#[allow(deprecated)]
fn main() {
    drop((old(1), old::refresh(1), older(1), older::uncached(1)));
}
