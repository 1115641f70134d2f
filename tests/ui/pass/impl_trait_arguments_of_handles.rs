#![deny(warnings)]

use cache_core::{CacheKey, cache_result};

#[cache_result(key = "a:{id}:{name}", skip(log))]
async fn get(id: impl CacheKey, name: impl AsRef<str> + CacheKey, log: impl Fn(&str)) -> Option<u64> {
    let _ = id;
    log(name.as_ref());
    None
}

fn main() {
    assert_eq!(get::key(&1, &"a").as_str(), "a:1:a");
    drop((get(1, "a", |_| ()), get::refresh(1, "a", |_| ()), get::peek(&1, &"a"), get::put(&1, &"a", 2)));
}
