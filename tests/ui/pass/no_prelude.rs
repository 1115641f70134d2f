#![deny(warnings)]
#![no_implicit_prelude]

use ::cache_core::{cache_result, cache_search_results, invalidate_cache};

#[cache_result(key = "a:{id}:{name}", none_ttl = 5, skip(db))]
async fn number(db: &u8, id: u64, name: ::std::string::String) -> ::std::option::Option<u64> {
    let _ = (db, name);
    ::std::option::Option::Some(id)
}

#[cache_search_results]
async fn search(text: &str) -> ::std::vec::Vec<u64> {
    let _ = text;
    ::std::vec::Vec::new()
}

#[cache_result(
    key = "b:{id}",
    cache_if = |id| *id > 0,
    stale_if_error = 60,
    refresh_ahead = 0.8,
    soft_timeout = 1,
    hard_timeout = 2,
    tags = ["b:{id}"]
)]
async fn stale(id: u64) -> ::std::result::Result<u64, ::cache_core::SharedError> {
    ::std::result::Result::Ok(id)
}

#[invalidate_cache(number(id, "a"), search(..))]
async fn update(id: u64) {
    let _ = id;
}

fn main() {
    let _ = (search("a"), update(1), stale(1));
}
