use cache_core::{cache_impl, cache_result};

struct Repo;

#[cache_impl(ttl = 60)]
impl Repo {
    #[cache_result(key = "find:{id}")]
    async fn find(id: u64) -> u64 {
        id
    }
}

fn main() {}
