use cache_core::cache_result;

#[async_trait::async_trait]
trait Store {
    async fn load(&self, id: u64) -> u64;
}

struct Pg;

#[async_trait::async_trait]
impl Store for Pg {
    #[cache_result(key = "pg:{id}", skip(self))]
    async fn load(&self, id: u64) -> u64 {
        id
    }
}

fn main() {}
