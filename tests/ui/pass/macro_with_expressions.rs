#![deny(warnings)]

use std::time::Duration;

use cache_core::{CacheManager, cache_result};

macro_rules! cached {
    ($name:ident, $ttl:expr, $manager:expr, $if:expr, $body:expr) => {
        #[cache_result(key = "x:{id}", ttl = $ttl, manager = $manager, cache_if = $if)]
        async fn $name(id: u64) -> u64 {
            $body + id
        }
    };
}
cached!(one, Duration::from_secs(1), CacheManager::current(), |value| *value > 1, 1 + 1);
cached!(two, Duration::from_mins(1), CacheManager::current(), accepted, 2);

fn accepted(value: &u64) -> bool {
    *value > 0
}

fn main() {
    drop((one(1), two(1), one::put(&1, 5), one::refresh(1)));
}
