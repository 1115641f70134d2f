use cache_core::{cache_impl, cache_result};

#[async_trait::async_trait]
trait Store {
    async fn load(&self, id: u64) -> u64;
}

struct Pg;

#[cache_impl]
#[async_trait::async_trait]
impl Store for Pg {
    #[cache_result(key = "a:{id}", skip(self), refresh_ahead = 0.5)]
    async fn load(&self, id: u64) -> u64 {
        id
    }
}

fn main() {}
