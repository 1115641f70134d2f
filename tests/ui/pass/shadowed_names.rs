//! Generated code means its own names, whatever the user's module calls so.
#![deny(warnings)]
#![allow(dead_code, non_camel_case_types, unused_macros)]

use cache_core::{cache_result, cache_search_results, invalidate_cache};

mod std {}
mod core {}
mod alloc {}

struct Option;
struct Some;
struct None;
struct Ok;
struct Err;
struct String;
struct Duration;
struct Key;
struct Site;
struct Vec;
struct bool;
trait Send {}
trait Sync {}
trait Future {}
macro_rules! concat {
    () => {};
}
macro_rules! module_path {
    () => {};
}
macro_rules! vec {
    () => {};
}

#[cache_result(key = "a:{id}:{name:lower}:{other:hash}", ttl = 5, bypass = id > 4, cache_if = |v| *v > 1)]
async fn number(id: u64, name: &str, other: &str) -> u64 {
    id + name.len() as u64 + other.len() as u64
}

#[cache_search_results(popular = text)]
async fn search(text: &str) -> u64 {
    text.len() as u64
}

#[cache_result]
async fn plain(id: u64) -> u64 {
    id
}

#[invalidate_cache(number(id, "a", "b"), search(..), "a:{id}:*", "b:{result}", tags = ["c"])]
async fn update(id: u64) -> u64 {
    id
}

fn main() {
    drop((number(1, "a", "b"), search("a"), plain(1), update(1)));
}
