//! The attributes, as a user writes them.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use cache_core::{CacheManager, cache_lead_data, cache_result, cache_search_results, invalidate_cache};
use serde::{Deserialize, Serialize};

static RUNS: AtomicU32 = AtomicU32::new(0);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Lead {
    id: u64,
    city: String,
}

struct Db;

#[cache_lead_data(skip(db))]
async fn get_lead(db: &Db, lead_id: u64) -> Result<Option<Lead>, String> {
    let _ = db;
    RUNS.fetch_add(1, Relaxed);
    Ok(Some(Lead {
        id: lead_id,
        city: "Bonn".into(),
    }))
}

#[derive(Debug, Serialize)]
struct Filters {
    city: Option<String>,
}

#[cache_search_results(skip(db), popular = text)]
async fn search_leads(db: &Db, text: &str, filters: &Filters) -> Result<Vec<Lead>, String> {
    let _ = (db, text, filters);
    RUNS.fetch_add(1, Relaxed);
    Ok(vec![])
}

#[cache_result(key = "item:{id}:{name}", ttl = "1h")]
async fn item(id: u64, name: &str) -> String {
    format!("{id} {name}")
}

#[invalidate_cache(get_lead(lead_id), search_leads(..), "campaign:{lead_id}:*")]
async fn update_lead(db: &Db, lead_id: u64) -> Result<Lead, String> {
    let _ = db;
    Ok(Lead {
        id: lead_id,
        city: "Köln".into(),
    })
}

#[tokio::test]
async fn it_works() {
    let cache = CacheManager::in_memory();
    cache
        .scope(async {
            let lead = get_lead(&Db, 1).await.unwrap().unwrap();
            assert_eq!(lead, get_lead(&Db, 1).await.unwrap().unwrap());
            assert_eq!(RUNS.load(Relaxed), 1);
            search_leads(&Db, "x", &Filters { city: None }).await.unwrap();
            search_leads(&Db, "x", &Filters { city: None }).await.unwrap();
            assert_eq!(RUNS.load(Relaxed), 2);
            update_lead(&Db, 1).await.unwrap();
            get_lead(&Db, 1).await.unwrap();
            search_leads(&Db, "x", &Filters { city: None }).await.unwrap();
            assert_eq!(RUNS.load(Relaxed), 4);
            assert_eq!(item(1, "a").await, item(1, "a").await);
        })
        .await;
    println!("{}", cache.stats());
}
