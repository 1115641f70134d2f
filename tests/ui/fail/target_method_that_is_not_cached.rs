use cache_core::invalidate_cache;

struct Repo;

impl Repo {
    async fn get(&self, id: u64) -> u64 {
        id
    }

    #[invalidate_cache(Self::get(id), Self::get(..))]
    async fn update(&self, id: u64) -> u64 {
        self.get(id).await
    }
}

fn main() {}
