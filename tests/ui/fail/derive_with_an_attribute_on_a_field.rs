use cache_core::CacheKey;

#[derive(CacheKey)]
struct Search {
    text: String,
    #[cache_key(skip)]
    trace: u64,
}

fn main() {}
