use cache_core::cache_result;

#[cache_result(key = "lead:{id}")]
pub struct Lead {
    pub id: u64,
}

fn main() {}
