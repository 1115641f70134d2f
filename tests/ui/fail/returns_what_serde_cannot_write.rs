use cache_core::cache_result;

#[derive(Clone)]
struct Lead {
    id: u64,
}

#[cache_result(key = "lead:{id}")]
async fn lead(id: u64) -> Result<Lead, std::io::Error> {
    Ok(Lead { id })
}

fn main() {}
