use cache_core::cache_search_results;

#[cache_search_results(popular = city)]
async fn search(city: u64) -> Vec<u64> {
    vec![city]
}

fn main() {}
