use cache_core::{cache_impl, cache_result};

struct Repo;

#[cache_impl]
impl Repo {
    #[cache_result(key = "find:{name}")]
    async fn find(id: u64) -> u64 {
        id
    }

    #[cache_result(key = "get:{id}")]
    async fn get(&self, id: u64) -> u64 {
        id
    }
}

fn main() {}
