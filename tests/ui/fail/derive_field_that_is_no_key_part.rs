use cache_core::CacheKey;

struct Filters;

#[derive(CacheKey)]
struct Search {
    text: String,
    filters: Vec<Filters>,
}

fn main() {}
