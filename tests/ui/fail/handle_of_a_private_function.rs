mod leads {
    use cache_core::cache_result;

    #[cache_result(key = "lead:{id}")]
    async fn get_lead(id: u64) -> u64 {
        id
    }
}

use cache_core::invalidate_cache;

#[invalidate_cache(leads::get_lead(id))]
async fn update(id: u64) -> u64 {
    id
}

fn main() {}
