use cache_core::cache_result;

#[cache_result(key = "leads:{city}", tags = ["city:{town}", "city:{citty}"])]
async fn leads(city: String) -> Vec<u64> {
    vec![city.len() as u64]
}

fn main() {}
