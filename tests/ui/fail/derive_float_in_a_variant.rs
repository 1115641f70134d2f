use cache_core::CacheKey;

#[derive(CacheKey)]
enum Limit {
    Nothing,
    Above(f64),
}

fn main() {}
