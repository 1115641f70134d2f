use cache_core::cache_result;

struct Filters {
    city: String,
}

#[cache_result(key = "search:{filters}")]
async fn search(filters: Filters) -> usize {
    filters.city.len()
}

fn main() {}
