#![deny(warnings)]

use cache_core::{CacheKey, cache_result, invalidate, key};

#[cache_result(key = "shown:{value}")]
async fn shown<T: CacheKey>(value: T) -> u64 {
    let _ = value;
    1
}

async fn update<T: CacheKey>(value: T, others: &[T]) {
    invalidate!(shown(value), shown::<T>(value), shown(..), "shown:{value}:*").await;
    for other in others {
        invalidate!(shown(other), "other:{other}").await;
        let _ = key!("shown:{other}");
    }
}

fn main() {
    drop((update(1, &[2]), shown(1)));
}
