use cache_core::cache_result;

struct Repo {
    tenant: u64,
}

impl Repo {
    #[cache_result]
    async fn get(&self, id: u64) -> u64 {
        self.tenant + id
    }
}

fn main() {}
