use cache_core::cache_result;

struct Filters {
    city: String,
}

#[cache_result(key = "search:{filters:hash}")]
async fn search(filters: Filters) -> usize {
    filters.city.len()
}

fn main() {}
