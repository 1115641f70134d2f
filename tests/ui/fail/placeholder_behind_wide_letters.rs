use cache_core::cache_result;

#[cache_result(key = "größe:地域:{idd}")]
async fn size(id: u64) -> u64 {
    id
}

fn main() {}
