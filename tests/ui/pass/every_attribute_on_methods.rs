#![deny(warnings)]

use std::sync::Arc;

use cache_core::{cache_impl, cache_lead_data, cache_result, cache_search_results, entry, invalidate};

struct Repo;

#[cache_impl]
impl Repo {
    #[cache_result("name", |id| id.to_string())]
    async fn name(id: u64) -> String {
        id.to_string()
    }

    #[cache_search_results(popular = text, skip(self))]
    async fn search(&self, text: &str) -> Vec<u64> {
        vec![text.len() as u64]
    }

    #[cache_search_results]
    async fn found(text: String) -> Vec<u64> {
        vec![text.len() as u64]
    }

    #[cache_lead_data(skip(self), stale_while_revalidate = 5)]
    async fn lead(self: Arc<Self>, lead_id: u64) -> Option<u64> {
        Some(lead_id)
    }
}

async fn all() {
    invalidate!(Repo::name(1), Repo::search("a"), Repo::found("a"), Repo::lead(1), Repo::found(..)).await;
    let _: Option<Vec<u64>> = entry!(Repo::search("a")).peek().await;
    drop((Repo::name(1), Repo.search("a"), Repo::found(String::new()), Arc::new(Repo).lead(1)));
}

fn main() {
    drop(all());
}
