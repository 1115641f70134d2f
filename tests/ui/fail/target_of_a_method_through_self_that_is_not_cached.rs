use cache_core::invalidate_cache;

struct Repo;

impl Repo {
    async fn get(&self, id: u64) -> u64 {
        id
    }

    #[invalidate_cache(self.get(id))]
    async fn update(&self, id: u64) -> u64 {
        id
    }
}

fn main() {}
