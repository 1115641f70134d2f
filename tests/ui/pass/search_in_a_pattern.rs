#![deny(warnings)]

use axum::Json;
use axum::extract::Query;
use cache_core::{cache_search_results, invalidate_cache};
use serde::{Deserialize, Serialize};

#[derive(Deserialize, Serialize)]
struct Text {
    q: String,
    page: Option<u32>,
}

#[cache_search_results(ttl = 60, popular = text)]
async fn search(Query(Text { q: text, page }): Query<Text>) -> Json<Vec<u64>> {
    Json(vec![text.len() as u64, u64::from(page.unwrap_or(1))])
}

#[cache_search_results(ttl = 60)]
async fn by_names(text: String, page: Option<u32>) -> Vec<u64> {
    vec![text.len() as u64, u64::from(page.unwrap_or(1))]
}

#[invalidate_cache(search(text, &Some(1_u32)), search(..))]
async fn forget(text: String) -> usize {
    text.len()
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(cache_core::CacheManager::in_memory().scope(async {
        let asked = || Query(Text { q: "a".to_owned(), page: Some(1) });
        assert_eq!(search(asked()).await.0, [1, 1]);
        // The handle names the entry by the values alone.
        assert_eq!(search::peek(&"a", &Some(1_u8)).await, Some(vec![1, 1]));
        assert_eq!(search::peek(&"a", &None::<u8>).await, None);
        forget("a".to_owned()).await;
        assert_eq!(search::peek(&"a".to_owned(), &Some(1)).await, None);
        drop(by_names(String::new(), None).await);
    }));
}
