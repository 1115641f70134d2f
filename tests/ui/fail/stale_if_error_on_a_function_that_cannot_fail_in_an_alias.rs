use cache_core::cache_result;

type Found = Vec<u64>;

#[cache_result(key = "leads:{city}", stale_if_error = "1h")]
async fn leads(city: u64) -> Found {
    vec![city]
}

fn main() {}
