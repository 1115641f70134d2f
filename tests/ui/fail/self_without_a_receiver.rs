use cache_core::cache_result;

#[cache_result(key = "lead:{self.tenant}:{id}")]
async fn get(id: u64) -> u64 {
    id
}

fn main() {}
