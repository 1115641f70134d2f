use cache_core::cache_result;

#[cache_result(key = "leads:{city}", refresh_ahead = 0.8)]
async fn leads(city: &str) -> Vec<u64> {
    vec![city.len() as u64]
}

fn main() {}
