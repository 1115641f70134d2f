use cache_core::cache_result;

trait Store {
    #[cache_result(key = "a:{id}")]
    async fn find(id: u64) -> u64 {
        id
    }
}

fn main() {}
