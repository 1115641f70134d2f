use cache_core::{CacheKey, cache_result};

#[cache_result(key = "length:{text}", refresh_ahead = 0.8)]
async fn length(text: impl CacheKey + AsRef<str> + Send) -> usize {
    text.as_ref().len()
}

fn main() {}
