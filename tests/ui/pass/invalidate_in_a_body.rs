#![deny(warnings)]

use cache_core::{cache_result, cache_search_results, invalidate};

#[cache_result(key = "lead:{id}")]
async fn get_lead(id: u64) -> u64 {
    id
}

#[cache_search_results]
async fn search(text: &str) -> Vec<u64> {
    vec![text.len() as u64]
}

struct Filter {
    city: String,
}

async fn update(id: u64, filter: Filter) -> u64 {
    let campaign = id + 1;
    let result = "done";
    invalidate!(get_lead(id), search(..), "campaign:{campaign}:*", "exact:{result}", tags = ["city:{filter.city:lower}"]).await;
    invalidate! { get_lead(..) }.await;
    let later = invalidate!(search("a"), "all:*");
    drop(filter);
    later.await;
    id
}

fn main() {
    drop((update(1, Filter { city: String::new() }), get_lead(1), search("a")));
}
