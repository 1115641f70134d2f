use cache_core::{cache_result, invalidate_cache};

struct Repo {
    tenant: u64,
}

impl Repo {
    #[cache_result(key = "repo:{self.tenant}:{id}")]
    async fn get(&self, id: u64) -> u64 {
        id
    }
}

#[invalidate_cache(Repo::get(id))]
async fn update(id: u64) -> u64 {
    id
}

fn main() {}
