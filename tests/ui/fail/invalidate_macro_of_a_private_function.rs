mod leads {
    use cache_core::cache_result;

    #[cache_result(key = "lead:{id}")]
    async fn get_lead(id: u64) -> u64 {
        id
    }
}

async fn update(id: u64) {
    cache_core::invalidate!(leads::get_lead(id)).await;
}

fn main() {}
