#![deny(warnings)]

use cache_core::{cache_search_results, invalidate};

#[derive(serde::Serialize)]
struct Filters<'a> {
    city: Option<&'a str>,
    ratio: f64,
}

#[cache_search_results(popular = text, skip(db), tags = ["city:{filters.city}"])]
async fn by_digest(db: &str, text: &str, filters: &Filters<'_>) -> Result<Vec<u64>, String> {
    Ok(vec![(db.len() + text.len()) as u64 + filters.ratio as u64])
}

#[cache_search_results(key = "found:{text:lower}:{page}")]
async fn by_key(text: &str, page: u32) -> Vec<u32> {
    vec![text.len() as u32 + page]
}

#[cache_search_results(key_type = "people")]
async fn by_type(text: String) -> Vec<String> {
    vec![text]
}

async fn all() {
    let filters = Filters { city: None, ratio: 0.5 };
    let _: Option<Vec<u64>> = by_digest::peek("a", &filters).await;
    invalidate!(by_digest("a", &filters), by_key("a", 1), by_type("a"), by_type(..)).await;
    drop((by_digest("", "a", &filters), by_key("a", 1), by_type(String::new())));
}

fn main() {
    drop(all());
}
