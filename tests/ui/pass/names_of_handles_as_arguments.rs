//! Arguments may be called like what is generated.
#![deny(warnings)]

use cache_core::cache_result;

#[cache_result(key = "a:{key}:{value}:{put}:{site}:{shape}:{target}")]
async fn peek(key: u64, value: u64, put: u64, site: u64, shape: u64, target: u64) -> u64 {
    key + value + put + site + shape + target
}

#[cache_result(key = "b:{__value}:{__k}:{__site}:{__0}:{__shape}")]
async fn refresh(__value: u64, __k: u64, __site: u64, __0: u64, __shape: u64) -> u64 {
    __value + __k + __site + __0 + __shape
}

#[cache_result(key = "c:{refresh}")]
async fn key(refresh: u64) -> u64 {
    refresh
}

fn main() {
    assert_eq!(peek::key(&1, &2, &3, &4, &5, &6).as_str(), "a:1:2:3:4:5:6");
    assert_eq!(refresh::key(&1, &2, &3, &4, &5).as_str(), "b:1:2:3:4:5");
    drop((peek::peek(&1, &2, &3, &4, &5, &6), peek::put(&1, &2, &3, &4, &5, &6, 7), peek(1, 2, 3, 4, 5, 6)));
    drop((refresh::refresh(1, 2, 3, 4, 5), refresh::put(&1, &2, &3, &4, &5, 6), key(1), key::key(&1)));
}
