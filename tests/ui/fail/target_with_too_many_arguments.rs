use cache_core::{cache_result, invalidate_cache};

#[cache_result(key = "categories")]
async fn categories() -> Vec<String> {
    Vec::new()
}

#[invalidate_cache(categories(name))]
async fn add_category(name: &str) -> usize {
    name.len()
}

fn main() {}
