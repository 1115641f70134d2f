//! What the documentation shows first, as a user's crate that calls the library `c` writes it.

#![deny(warnings)]
#![forbid(unsafe_code)]
#![cfg(test)]

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Duration;

use c::{
    BackendError, CacheBackend, CacheError, CacheManager, EvictionPolicy, cache_lead_data, cache_result, cache_search_results,
    glob_matches, invalidate_cache,
};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Lead {
    id: u64,
    city: String,
}

#[derive(Debug, Clone, Serialize)]
struct Filters {
    city: Option<String>,
}

#[derive(Debug, Clone, Copy)]
struct DateRange {
    from: u32,
    to: u32,
}

#[derive(Debug, Clone, PartialEq)]
struct DbError;

#[derive(Default)]
struct Db {
    runs: AtomicU32,
}

/// Key `lead:{lead_id}`.
#[cache_lead_data(skip(db))]
async fn get_lead(db: &Db, lead_id: u64) -> Result<Option<Lead>, DbError> {
    db.runs.fetch_add(1, SeqCst);
    Ok((lead_id != 0).then(|| Lead { id: lead_id, city: "Bonn".into() }))
}

/// Key `search:{digest}`.
#[cache_search_results(skip(db), popular = text)]
async fn search_leads(db: &Db, text: &str, filters: &Filters) -> Result<Vec<Lead>, DbError> {
    db.runs.fetch_add(1, SeqCst);
    Ok(vec![Lead { id: text.len() as u64, city: filters.city.clone().unwrap_or_default() }])
}

#[cache_result(key = "analytics:{metric}:{range.from}:{range.to}", ttl = "30m")]
async fn calculate_metric(metric: &str, range: DateRange) -> Result<f64, DbError> {
    if metric.is_empty() { Err(DbError) } else { Ok(f64::from(range.to - range.from)) }
}

#[invalidate_cache(get_lead(lead_id), search_leads(..), "campaign:{lead_id}:*", tags = ["city:{result.city}"])]
async fn update_lead(db: &Db, lead_id: u64, city: &str) -> Result<Lead, DbError> {
    let _ = db;
    if city.is_empty() { Err(DbError) } else { Ok(Lead { id: lead_id, city: city.into() }) }
}

struct Repo {
    tenant: &'static str,
    runs: AtomicU32,
}

impl Repo {
    #[cache_result(key = "repo:{self.tenant}:{id}")]
    async fn get(&self, id: u64) -> String {
        self.runs.fetch_add(1, SeqCst);
        format!("{} {id}", self.tenant)
    }

    #[invalidate_cache(self.get(id))]
    async fn change(&self, id: u64) {
        let _ = id;
    }
}

#[tokio::test(flavor = "current_thread")]
async fn the_functions_of_the_first_page_are_cached_and_invalidated() {
    let cache = CacheManager::in_memory();
    let db = Db::default();
    cache
        .scope(async {
            let filters = Filters { city: Some("Bonn".into()) };
            for _ in 0..3 {
                assert_eq!(get_lead(&db, 7).await.map(|lead| lead.map(|lead| lead.id)), Ok(Some(7)));
                assert_eq!(search_leads(&db, "tea", &filters).await.map(|leads| leads.len()), Ok(1));
                assert_eq!(calculate_metric("cpu", DateRange { from: 1, to: 4 }).await, Ok(3.0));
            }
            assert_eq!(db.runs.load(SeqCst), 2);
            cache.set("campaign:7:meta:status", "on").await.expect("stored");
            cache.set("team", "x").tags(["city:Ulm"]).await.expect("stored");
            // A function that fails invalidates nothing.
            assert_eq!(update_lead(&db, 7, "").await, Err(DbError));
            assert!(cache.exists("lead:7").await && cache.exists("campaign:7:meta:status").await);
            update_lead(&db, 7, "Ulm").await.expect("updated");
            for gone in ["lead:7", "campaign:7:meta:status", "team"] {
                assert!(!cache.exists(gone).await, "{gone}");
            }
            get_lead(&db, 7).await.expect("a lead");
            search_leads(&db, "tea", &filters).await.expect("leads");
            assert_eq!(db.runs.load(SeqCst), 4);
            // Neither an error nor a `None` is stored.
            assert_eq!(calculate_metric("", DateRange { from: 1, to: 4 }).await, Err(DbError));
            get_lead(&db, 0).await.expect("no lead");
            get_lead(&db, 0).await.expect("no lead");
            assert_eq!(db.runs.load(SeqCst), 6);
        })
        .await;
    assert_eq!(cache.popular_searches().top(1).await, [("tea".to_owned(), 4)]);
}

#[tokio::test(flavor = "current_thread")]
async fn methods_are_cached_for_each_receiver() {
    let cache = CacheManager::in_memory();
    let repo = |tenant| Repo { tenant, runs: AtomicU32::new(0) };
    let (one, two) = (repo("one"), repo("two"));
    cache
        .scope(async {
            assert_eq!((one.get(1).await, two.get(1).await), ("one 1".into(), "two 1".into()));
            one.change(1).await;
            assert_eq!((one.get(1).await, two.get(1).await), ("one 1".into(), "two 1".into()));
        })
        .await;
    assert_eq!((one.runs.load(SeqCst), two.runs.load(SeqCst)), (2, 1));
}

#[tokio::test(flavor = "current_thread")]
async fn the_manager_does_what_its_page_says() -> Result<(), CacheError> {
    let d = Duration::from_secs(60);
    let cache = CacheManager::builder()
        .default_ttl(d)
        .max_entries(10_000)
        .eviction(EvictionPolicy::Lfu)
        .compression_threshold(1024)
        .key_prefix("app")
        .build()
        .await?;
    let lead = Lead { id: 1, city: "Bonn".into() };
    cache.set("user:1", &lead).ttl(d).tags(["org:7"]).await?;
    let found: Option<Lead> = cache.get("user:1").await;
    assert_eq!(found.as_ref(), Some(&lead));
    let fetched: Result<Lead, DbError> =
        cache.get_or_fetch("user:2", || async { Err(DbError) }).ttl(d).stale_if_error(d).await;
    assert_eq!(fetched, Err(DbError));
    let (there, left): (bool, Option<Duration>) = (cache.exists("user:1").await, cache.ttl("user:1").await);
    assert!(there && left.is_some_and(|left| left <= d));
    let was: bool = cache.delete("user:1").await;
    let deleted: u64 = cache.invalidate("user:*").await;
    assert_eq!((was, deleted), (true, 0));
    cache.invalidate_tag("org:7").await;
    cache.set_many([("user:1".to_owned(), lead.clone())]).await?;
    let keys = ["user:1".to_owned(), "user:2".to_owned()];
    let leads: Vec<Option<Lead>> = cache.get_many::<Lead>(&keys).await;
    assert_eq!(leads, [Some(lead.clone()), None]);
    let n: u64 = cache.delete_many(&keys).await;
    assert_eq!(n, 1);
    cache.warm([("user:1", lead)]).await?;
    assert_eq!(cache.stats().entries, 1);
    cache.clear().await;
    assert_eq!(cache.health().await.entries, 0);
    cache.install();
    cache.close().await;
    Ok(())
}

#[derive(Debug, Clone, Default)]
struct InHeap(Arc<Mutex<HashMap<String, Vec<u8>>>>);

impl InHeap {
    fn map(&self) -> std::sync::MutexGuard<'_, HashMap<String, Vec<u8>>> {
        self.0.lock().expect("not poisoned")
    }
}

impl CacheBackend for InHeap {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, BackendError> {
        Ok(self.map().get(key).cloned())
    }
    async fn set(&self, key: &str, value: Vec<u8>, _: Duration) -> Result<(), BackendError> {
        self.map().insert(key.to_owned(), value);
        Ok(())
    }
    async fn delete(&self, key: &str) -> Result<bool, BackendError> {
        Ok(self.map().remove(key).is_some())
    }
    async fn exists(&self, key: &str) -> Result<bool, BackendError> {
        Ok(self.map().contains_key(key))
    }
    async fn delete_matching(&self, pattern: &str) -> Result<u64, BackendError> {
        let mut map = self.map();
        let before = map.len();
        map.retain(|key, _| !glob_matches(pattern, key));
        Ok((before - map.len()) as u64)
    }
    async fn clear(&self) -> Result<(), BackendError> {
        self.map().clear();
        Ok(())
    }
    async fn close(&self) -> Result<(), BackendError> {
        Ok(())
    }
}

#[tokio::test(flavor = "current_thread")]
async fn m6_a_store_of_ones_own_stands_in_for_redis() {
    let store = InHeap::default();
    let build = || CacheManager::builder().store(store.clone()).build();
    let (one, two) = (build().await.expect("a cache"), build().await.expect("a cache"));
    let db = Db::default();
    one.scope(get_lead(&db, 5)).await.expect("a lead");
    two.scope(get_lead(&db, 5)).await.expect("a lead");
    assert_eq!(db.runs.load(SeqCst), 1);
    let entries = || {
        let map = store.map();
        let keys = map.keys().filter(|key| !key.starts_with('%')).cloned();
        keys.collect::<Vec<_>>()
    };
    assert_eq!(entries(), ["app:lead:5"]);
    one.set("lead:6", &1).await.expect("stored");
    assert_eq!(one.invalidate("lead:*").await, 2);
    assert!(entries().is_empty());
    one.set("k", &1).await.expect("stored");
    store.map().insert("foreign".into(), vec![1]);
    one.clear().await;
    assert_eq!(entries(), ["foreign"]);
}

#[test]
fn functions_of_a_crate_that_forbids_unsafe_code_are_in_the_catalogue() {
    let catalogue = c::catalogue();
    let names: Vec<&str> = catalogue.functions().iter().map(|row| row.name()).collect();
    assert_eq!(names, ["calculate_metric", "change", "get", "get_lead", "search_leads", "update_lead"]);
    assert!(catalogue.functions().contains(&get_lead::INFO));
    let errors = catalogue.check().into_iter().filter(|finding| finding.severity() == c::Severity::Error);
    let errors: Vec<String> = errors.map(|error| error.to_string()).collect();
    // Campaigns are stored by hand here.
    assert_eq!(errors.len(), 2, "{errors:#?}");
}
