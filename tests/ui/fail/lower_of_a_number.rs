use cache_core::cache_result;

#[cache_result(key = "lead:{id:lower}")]
async fn get_lead(id: u64) -> u64 {
    id
}

fn main() {}
