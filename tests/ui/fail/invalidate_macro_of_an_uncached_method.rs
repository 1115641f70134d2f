use cache_core::invalidate;

struct Repo;

impl Repo {
    async fn get(&self, id: u64) -> u64 {
        id
    }

    async fn update(&self, id: u64) {
        invalidate!(self.get(id), Self::get(..)).await;
    }
}

fn main() {}
