#![deny(warnings)]

use cache_core::{cache_result, cache_search_results};

#[cache_result(key = "a:{id}:{here}:{nowhere}")]
async fn template(id: u64, #[cfg(all())] here: u64, #[cfg(any())] nowhere: NoSuchType) -> u64 {
    id + here
}

#[cache_result]
async fn by_path(id: u64, #[cfg(any())] nowhere: NoSuchType) -> u64 {
    id
}

#[cache_search_results(skip(db))]
async fn search(#[cfg(any())] nowhere: NoSuchType, #[cfg(all())] text: &str, #[cfg(any())] db: NoSuchType) -> Vec<u64> {
    vec![text.len() as u64]
}

#[cache_result("c", |id| id.to_string(), skip(db))]
async fn computed(id: u64, #[cfg(any())] db: NoSuchType) -> u64 {
    id
}

fn main() {
    drop((template(1, 2), template::key(&1, &2), template::refresh(1, 2), by_path(1), search("a"), search::peek("a")));
    drop((computed(1), computed::uncached(1)));
}
