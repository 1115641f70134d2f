use cache_core::invalidate_cache;

pub struct Lead;

#[invalidate_cache("lead:1")]
impl Lead {}

fn main() {}
