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

#[invalidate_cache(number(id, "a"), search(..))]
async fn update(id: u64) {
    let _ = id;
}

fn main() {
    let _ = (search("a"), update(1));
}
