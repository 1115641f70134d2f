use cache_core::cache_search_results;

struct Filters {
    city: String,
}

#[cache_search_results]
async fn search(text: &str, filters: &Filters) -> Vec<u64> {
    vec![text.len() as u64, filters.city.len() as u64]
}

fn main() {}
