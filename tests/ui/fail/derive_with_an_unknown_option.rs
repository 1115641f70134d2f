use cache_core::CacheKey;

#[derive(CacheKey)]
#[cache_key(crates = "crate::caching")]
struct LeadId(u64);

fn main() {}
