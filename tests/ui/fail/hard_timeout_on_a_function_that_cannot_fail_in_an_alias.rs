use cache_core::cache_result;

type Found = Vec<u64>;

#[cache_result(key = "leads:{city}", hard_timeout = "5s")]
async fn leads(city: u64) -> Found {
    vec![city]
}

fn main() {}
