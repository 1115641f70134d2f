use cache_core::cache_result;

type Found = Result<Vec<u64>, std::io::Error>;

#[cache_result(key = "leads:{city}", none_ttl = "1m")]
async fn leads(city: u64) -> Found {
    Ok(vec![city])
}

fn main() {}
