#![deny(warnings)]

struct Repo;

#[cache_core::cache_impl]
impl Repo {
    #[cache_core::cache_result(key = "find:{id}")]
    async fn find(id: u64) -> u64 {
        id
    }

    #[cache_core::invalidate_cache(Self::find(id))]
    async fn forget(id: u64) -> u64 {
        id
    }
}

#[::cache_core::cache_search_results]
async fn search(text: &str) -> Vec<u64> {
    cache_core::invalidate!(Repo::find(1)).await;
    let _ = (cache_core::key!("a:{text}"), cache_core::entry!(Repo::find(1)));
    vec![text.len() as u64]
}

fn main() {
    drop((Repo::find(1), Repo::forget(1), search("a")));
}
