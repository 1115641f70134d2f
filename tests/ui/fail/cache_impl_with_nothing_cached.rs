use cache_core::cache_impl;

struct Repo;

#[cache_impl]
impl Repo {
    async fn find(id: u64) -> u64 {
        id
    }
}

fn main() {}
