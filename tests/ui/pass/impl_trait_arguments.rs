#![deny(warnings)]

use cache_core::{CacheKey, cache_result};
use std::fmt::Display;

#[cache_result(key = "shown:{id}", skip(make))]
async fn shown(id: impl CacheKey + Display + Send, make: impl Fn(String) -> String + Send) -> String {
    make(id.to_string())
}

fn main() {
    assert_eq!(shown::key(&7_u64).as_str(), "shown:7");
    drop(shown(7_u64, |text| text));
}
