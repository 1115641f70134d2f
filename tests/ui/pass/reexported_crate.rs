#![deny(warnings)]

mod platform {
    pub mod caching {
        pub use cache_core::*;
    }
}

use platform::caching::{cache_result, invalidate_cache};

#[cache_result(key = "lead:{id}", crate = "crate::platform::caching")]
async fn lead(id: u64) -> u64 {
    id
}

#[invalidate_cache(lead(id), crate = "platform::caching")]
async fn update(id: u64) -> u64 {
    id
}

fn main() {
    assert_eq!(lead::key(&1).as_str(), "lead:1");
    drop((lead(1), update(1)));
}
