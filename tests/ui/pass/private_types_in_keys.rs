//! What a function takes may be less visible than its handle.
#![deny(warnings)]

use cache_core::{CacheKey, cache_result};

mod inner {
    use super::{CacheKey, cache_result};

    #[derive(CacheKey, Clone)]
    pub(super) struct Id(pub(super) u64);

    #[cache_result(key = "a:{id}")]
    pub(super) async fn get(id: &Id) -> u64 {
        id.0
    }

    #[cache_result(key = "b:{id}")]
    pub(in crate::inner) async fn near(id: Id) -> u64 {
        id.0
    }

    pub(super) fn call() {
        drop((near(Id(1)), near::peek(&Id(1))));
    }
}

fn main() {
    inner::call();
    drop((inner::get(&inner::Id(1)), inner::get::put(&inner::Id(1), 2)));
}
