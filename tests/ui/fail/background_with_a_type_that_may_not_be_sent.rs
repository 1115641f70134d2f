use cache_core::{CacheKey, cache_result};

#[cache_result(key = "length:{text}", refresh_ahead = 0.8)]
async fn length<T: CacheKey + AsRef<str> + 'static>(text: T) -> usize {
    text.as_ref().len()
}

fn main() {}
