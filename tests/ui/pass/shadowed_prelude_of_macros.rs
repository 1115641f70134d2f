//! A crate with macros and modules of common names.
#![deny(warnings)]
#![allow(unused_macros, dead_code)]

use cache_core::{cache_impl, cache_result, entry, invalidate, key};

mod std {}
mod core {}
mod cache_core_ {}

macro_rules! concat { () => {} }
macro_rules! module_path { () => {} }
macro_rules! matches { () => {} }
macro_rules! compile_error { () => {} }

struct Repo;

#[cache_impl]
impl Repo {
    #[cache_result]
    async fn find(id: u64) -> u64 {
        id
    }
}

#[cache_result]
async fn get(id: u64) -> u64 {
    id
}

async fn all(id: u64) {
    invalidate!(get(id), Repo::find(id)).await;
    let _ = (key!("a:{id}"), entry!(get(id)), entry!(Repo::find(id)));
    drop((get(id), Repo::find(id)));
}

fn main() {
    drop(all(1));
}
