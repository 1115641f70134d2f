use cache_core::CacheKey;

#[derive(CacheKey)]
union Number {
    small: u8,
    large: u64,
}

fn main() {}
