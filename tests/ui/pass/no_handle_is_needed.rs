//! What nobody uses is no dead code: it is the user's function that counts.
#![deny(warnings)]

use cache_core::{cache_impl, cache_result, invalidate_cache};

#[cache_result(key = "a:{id}")]
async fn get(id: u64) -> u64 {
    id
}

struct Repo;

#[cache_impl]
impl Repo {
    #[cache_result(key = "b:{id}")]
    async fn find(id: u64) -> u64 {
        id
    }
}

#[invalidate_cache("a:{id}")]
async fn forget(id: u64) {
    let _ = id;
}

fn main() {
    drop((get(1), Repo::find(1), forget(1), Repo));
}
