//! Leads and search (contract, section 8): what their users know, on memory and on Redis.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Duration;

use cache_core::{
    CacheError, HealthStatus, cache_lead_data, cache_result, cache_search_results, invalidate_cache,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tests::RedisServer;

use crate::places::{in_redis, managers, managers_with, over};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Lead {
    id: u64,
    name: String,
}

fn lead(id: u64) -> Lead {
    Lead {
        id,
        name: format!("lead {id}"),
    }
}

#[derive(Debug, Clone, Default, Serialize)]
struct Query {
    text: Option<String>,
    industry: Option<String>,
    location: Option<String>,
}

fn text(text: &str) -> Query {
    Query {
        text: Some(text.to_owned()),
        ..Query::default()
    }
}

/// A database that counts what it is asked.
#[derive(Default)]
struct Db {
    asked: AtomicU32,
}

impl Db {
    fn ask(&self) -> u32 {
        self.asked.fetch_add(1, SeqCst) + 1
    }

    fn asked(&self) -> u32 {
        self.asked.load(SeqCst)
    }
}

#[cache_search_results(skip(db), ttl = 1800, popular = text)]
async fn search_leads(db: &Db, text: &str, filters: &HashMap<String, String>) -> Result<Vec<Lead>, String> {
    let _ = (text, filters);
    Ok(vec![lead(db.ask().into())])
}

#[cache_lead_data(skip(db), ttl = 7200)]
async fn get_lead_by_id(db: &Db, lead_id: u64) -> Result<Option<Lead>, String> {
    db.ask();
    Ok((lead_id < 100).then(|| lead(lead_id)))
}

#[cache_result("analytics", |metric| metric.to_owned(), ttl = 1800, skip(db))]
async fn calculate_metric(db: &Db, metric: &str) -> u32 {
    let _ = metric;
    db.ask()
}

#[invalidate_cache("search:*")]
async fn update_lead(db: &Db, lead_id: u64) -> Result<Lead, String> {
    db.ask();
    Ok(lead(lead_id))
}

#[tokio::test]
async fn a_value_has_a_type_of_key_and_an_identifier() {
    for cache in managers().await {
        let search = cache.namespace("search");
        let hour = Duration::from_secs(3600);
        search
            .set("query_hash", &vec![lead(1)])
            .ttl(hour)
            .await
            .expect("stored");
        assert_eq!(search.get("query_hash").await, Some(vec![lead(1)]), "{cache:?}");
        assert!(search.exists("query_hash").await);
        let left = search.ttl("query_hash").await.expect("a ttl");
        assert!(left <= hour && left > Duration::from_secs(3500), "{left:?}");
        assert!(search.invalidate("query_hash").await);
        assert!(!search.invalidate("query_hash").await);
        assert!(!search.exists("query_hash").await && search.ttl("query_hash").await.is_none());
    }
}

#[tokio::test]
async fn keys_are_invalidated_by_pattern_and_counted() {
    for cache in managers().await {
        for id in 0..3 {
            cache.namespace("search").set(id, &id).await.expect("stored");
        }
        cache.leads().set(1, &lead(1)).await.expect("stored");
        assert_eq!(cache.invalidate("search:*").await, 3, "{cache:?}");
        assert!(cache.leads().exists(1).await);
    }
}

#[tokio::test]
async fn every_kind_of_entry_has_the_key_and_the_ttl_that_are_known() {
    for cache in managers().await {
        cache.leads().set(42, &lead(42)).await.expect("stored");
        cache
            .user_prefs()
            .set("ann@example.com", "dark")
            .await
            .expect("stored");
        cache.analytics().set("conversion", &0.5).await.expect("stored");
        cache.suggestions().set("ru", &["rust"]).await.expect("stored");
        let query = text("rust");
        cache.search().set(&query, &[1]).await.expect("stored");
        let search = cache.search().key(&query).expect("a key");
        assert_eq!(search.as_str().len(), "search:".len() + 32);
        for (key, ttl) in [
            ("lead:42", 7200),
            ("user_prefs:ann@example.com", 86_400),
            ("analytics:conversion", 1800),
            ("suggestions:ru", 300),
            (search.as_str(), 3600),
        ] {
            let left = cache.ttl(key).await.expect("a ttl").as_secs();
            assert!((ttl - 10..=ttl).contains(&left), "{key} {left} {cache:?}");
            let there = in_redis(&cache, &["EXISTS", "{key}"], key).await;
            assert!(there.is_none_or(|there| there == "1"), "{key}");
        }
    }
}

#[tokio::test]
async fn e1_the_ttl_of_each_kind_can_be_set() {
    let minute = Duration::from_secs(60);
    let settings = |builder: cache_core::CacheManagerBuilder| {
        builder
            .search_cache_ttl(minute)
            .lead_cache_ttl(minute)
            .user_prefs_ttl(minute)
            .analytics_ttl(minute)
            .default_ttl(minute)
    };
    for cache in managers_with(settings).await {
        cache.search().set("q", &[1]).await.expect("stored");
        let search = cache.search().key("q").expect("a key");
        for kind in [
            cache.leads(),
            cache.user_prefs(),
            cache.analytics(),
            cache.suggestions(),
        ] {
            kind.set("x", &1).await.expect("stored");
            assert!(kind.ttl("x").await.expect("a ttl") <= minute, "{kind:?}");
        }
        assert!(cache.ttl(search).await.expect("a ttl") <= minute);
    }
}

#[tokio::test]
async fn searches_are_stored_found_and_invalidated_by_their_query() {
    for cache in managers().await {
        let search = cache.search();
        assert_eq!(search.get::<Vec<Lead>>(&text("a")).await, None);
        search.set(&text("a"), &vec![lead(1)]).await.expect("stored");
        search.set(&text("b"), &vec![lead(2)]).await.expect("stored");
        assert_eq!(search.get(&text("a")).await, Some(vec![lead(1)]), "{cache:?}");
        assert!(search.invalidate(&text("a")).await);
        assert_eq!(search.get::<Vec<Lead>>(&text("a")).await, None);
        assert_eq!(search.get(&text("b")).await, Some(vec![lead(2)]));
        search.invalidate_all().await;
        assert_eq!(search.get::<Vec<Lead>>(&text("b")).await, None, "{cache:?}");
    }
}

#[tokio::test]
async fn k6_equal_queries_share_an_entry_whatever_the_order_of_their_fields() {
    for cache in managers().await {
        let search = cache.search();
        search.set(&text("a"), &vec![lead(1)]).await.expect("stored");
        let same = json!({ "location": null, "text": "a" });
        assert_eq!(search.get(&same).await, Some(vec![lead(1)]), "{cache:?}");
        let other = json!({ "location": "", "text": "a" });
        assert_eq!(search.get::<Vec<Lead>>(&other).await, None);
    }
}

/// Shares its entries with the search of its query.
#[cache_result(key = "search:{query:hash}", skip(db))]
async fn by_digest(db: &Db, query: &Query) -> Vec<Lead> {
    vec![lead(db.ask().into())]
}

#[tokio::test]
async fn k6_the_digest_of_a_query_is_that_of_a_template() {
    for cache in managers().await {
        let db = Db::default();
        let found = cache.scope(by_digest(&db, &text("a"))).await;
        assert_eq!(cache.search().get(&text("a")).await, Some(found), "{cache:?}");
        cache
            .search()
            .set(&text("b"), &vec![lead(9)])
            .await
            .expect("stored");
        assert_eq!(cache.scope(by_digest(&db, &text("b"))).await, [lead(9)]);
        assert_eq!(db.asked(), 1);
    }
}

#[tokio::test]
async fn a_search_is_run_once_and_then_found() {
    for cache in managers().await {
        let db = Db::default();
        for _ in 0..3 {
            let load = || async { Ok::<_, String>(vec![lead(db.ask().into())]) };
            let results = cache.search().get_or_fetch(&text("a"), load).await;
            assert_eq!(results, Ok(vec![lead(1)]), "{cache:?}");
        }
    }
}

#[tokio::test]
async fn a_result_that_is_too_long_is_returned_whole_and_not_stored() {
    for cache in managers_with(|builder| builder.max_search_results(3)).await {
        let search = cache.search();
        let long: Vec<u64> = (0..4).collect();
        let load = || async { Ok::<_, String>(long.clone()) };
        assert_eq!(search.get_or_fetch("a", load).await.as_ref(), Ok(&long));
        assert_eq!(search.get::<Vec<u64>>("a").await, None, "{cache:?}");
        search.set("a", &long[..3]).await.expect("stored");
        assert_eq!(search.get::<Vec<u64>>("a").await.as_deref(), Some(&long[..3]));
        // What was there is not what is found now.
        search.set("a", &long).await.expect("no error");
        assert_eq!(search.get::<Vec<u64>>("a").await, None, "{cache:?}");
        cache.leads().set(1, &long).await.expect("stored");
        assert!(cache.leads().exists(1).await);
    }
}

struct Unwritable;

impl Serialize for Unwritable {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("no luck"))
    }
}

#[tokio::test]
async fn a_query_that_cannot_be_written_is_searched_for_without_a_cache() {
    for cache in managers().await {
        let search = cache.search();
        for n in 1..3 {
            let load = || async { Ok::<_, String>(n) };
            assert_eq!(search.get_or_fetch(&Unwritable, load).await, Ok(n));
        }
        let error = search.set(&Unwritable, &1).await.expect_err("an error");
        assert!(
            matches!(&error, CacheError::Serialization(text) if text.contains("no luck")),
            "{error}"
        );
        assert_eq!(search.get::<u32>(&Unwritable).await, None);
        assert!(!search.invalidate(&Unwritable).await);
    }
}

#[tokio::test]
async fn leads_are_shared_with_the_functions_that_load_them() {
    for cache in managers().await {
        let db = Db::default();
        assert_eq!(cache.scope(get_lead_by_id(&db, 7)).await, Ok(Some(lead(7))));
        assert_eq!(cache.leads().get(7).await, Some(lead(7)), "{cache:?}");
        cache.leads().set(8, &lead(88)).await.expect("stored");
        assert_eq!(
            cache.scope(get_lead_by_id(&db, 8)).await,
            Ok(Some(lead(88))),
            "{cache:?}"
        );
        let load = || async { Ok::<_, String>(lead(9)) };
        assert_eq!(cache.leads().get_or_fetch(9, load).await, Ok(lead(9)));
        assert_eq!(db.asked(), 1);
    }
}

#[tokio::test]
async fn one_lead_or_all_of_them_are_invalidated() {
    for cache in managers().await {
        let db = Db::default();
        for id in 1..4 {
            cache.scope(get_lead_by_id(&db, id)).await.expect("a lead");
        }
        assert!(cache.leads().invalidate(1).await, "{cache:?}");
        assert!(!cache.leads().exists(1).await && cache.leads().exists(2).await);
        cache.leads().invalidate_all().await;
        assert!(!cache.leads().exists(2).await);
        cache.scope(get_lead_by_id(&db, 3)).await.expect("a lead");
        assert_eq!(db.asked(), 4, "{cache:?}");
    }
}

#[tokio::test]
async fn k3_an_identifier_stays_in_its_namespace() {
    for cache in managers().await {
        let odd = cache.namespace("a*");
        for id in ["x", "*", "x:y", ""] {
            odd.set(id, id).await.expect("stored");
            cache.namespace("ab").set(id, "other").await.expect("stored");
        }
        for id in ["x", "*", "x:y", ""] {
            assert_eq!(odd.get::<String>(id).await.as_deref(), Some(id), "{cache:?}");
        }
        odd.invalidate_all().await;
        assert!(
            !odd.exists("x").await && cache.namespace("ab").exists("x").await,
            "{cache:?}"
        );
    }
}

#[tokio::test]
async fn searches_are_cached_by_an_attribute_and_dropped_by_updates() {
    for cache in managers().await {
        let db = Db::default();
        let none = HashMap::new();
        let one = HashMap::from([("city".to_owned(), "Bonn".to_owned())]);
        cache
            .scope(async {
                let found = search_leads(&db, "a", &none).await;
                assert_eq!(search_leads(&db, "a", &none).await, found);
                assert_ne!(search_leads(&db, "a", &one).await, found);
                assert_ne!(search_leads(&db, "b", &none).await, found);
                assert_eq!(db.asked(), 3, "{cache:?}");
                update_lead(&db, 1).await.expect("updated");
                assert_ne!(search_leads(&db, "a", &none).await, found, "{cache:?}");
                cache.search().invalidate_all().await;
                search_leads(&db, "a", &none).await.expect("results");
                assert_eq!(db.asked(), 6, "{cache:?}");
            })
            .await;
    }
}

#[tokio::test]
async fn leads_are_cached_by_an_attribute() {
    for cache in managers().await {
        let db = Db::default();
        for id in [1, 1, 2, 404, 404] {
            let found = cache.scope(get_lead_by_id(&db, id)).await.expect("no error");
            assert_eq!(found.is_some(), id != 404);
        }
        // That there is no such lead is asked again.
        assert_eq!(db.asked(), 4, "{cache:?}");
    }
}

#[tokio::test]
async fn any_function_is_cached_under_a_type_of_key_and_what_a_closure_says() {
    for cache in managers().await {
        let db = Db::default();
        for _ in 0..2 {
            assert_eq!(cache.scope(calculate_metric(&db, "conversion")).await, 1);
        }
        assert_eq!(
            cache.analytics().get("conversion").await,
            Some(1_u32),
            "{cache:?}"
        );
    }
}

/// A search engine, as applications write it.
struct Engine {
    db: Db,
}

impl Engine {
    #[cache_search_results(skip(self), ttl = 3600)]
    async fn search(&self, query: &str, filters: Option<String>) -> Vec<u64> {
        let _ = (query, filters);
        vec![self.db.ask().into()]
    }

    #[invalidate_cache("search:*")]
    async fn index_lead(&self, lead: Lead) -> Lead {
        lead
    }
}

#[tokio::test]
async fn methods_of_a_search_engine_are_cached_and_invalidate() {
    for cache in managers().await {
        let engine = Engine { db: Db::default() };
        cache
            .scope(async {
                for _ in 0..2 {
                    assert_eq!(engine.search("rust", None).await, [1]);
                }
                engine.index_lead(lead(1)).await;
                assert_eq!(engine.search("rust", None).await, [2], "{cache:?}");
            })
            .await;
    }
}

#[tokio::test]
async fn searches_are_counted_and_the_most_popular_told() {
    for cache in managers().await {
        let popular = cache.popular_searches();
        for (query, times) in [("rust", 3), ("redis", 2), ("cache", 1)] {
            for _ in 0..times {
                popular.record(query);
            }
        }
        let db = Db::default();
        let none = HashMap::new();
        for _ in 0..2 {
            // A hit is a search, too.
            cache
                .scope(search_leads(&db, "rust", &none))
                .await
                .expect("results");
        }
        assert_eq!(
            popular.top(2).await,
            [("rust".to_owned(), 5), ("redis".to_owned(), 2)],
            "{cache:?}"
        );
        assert_eq!(popular.top(10).await.len(), 3);
        let set = in_redis(&cache, &["ZSCORE", "{key}", "rust"], "%popular_searches").await;
        assert!(set.is_none_or(|score| score == "5"), "{cache:?}");
    }
}

#[tokio::test]
async fn health_tells_how_the_cache_is() {
    for cache in managers().await {
        cache.leads().set(1, &lead(1)).await.expect("stored");
        let health = cache.health().await;
        assert_eq!(health.status, HealthStatus::Healthy, "{cache:?}");
        if let Some(redis) = health.redis {
            assert!(redis.connected && redis.version.is_some() && redis.latency.is_some());
        }
    }
}

#[tokio::test]
async fn clear_removes_all_kinds_of_entries() {
    for cache in managers().await {
        cache.leads().set(1, &lead(1)).await.expect("stored");
        cache.search().set("q", &[1]).await.expect("stored");
        cache.popular_searches().record("q");
        cache.clear().await;
        assert!(!cache.leads().exists(1).await, "{cache:?}");
        assert_eq!(cache.search().get::<Vec<u64>>("q").await, None);
        assert_eq!(cache.popular_searches().top(10).await, []);
    }
}

#[tokio::test]
async fn l3_with_redis_gone_the_database_is_asked_and_nothing_fails() {
    let server = RedisServer::start();
    let cache = over(&server).await;
    server.kill();
    let db = Db::default();
    assert_eq!(cache.scope(get_lead_by_id(&db, 1)).await, Ok(Some(lead(1))));
    assert_eq!(cache.leads().get::<Lead>(2).await, None);
    assert_eq!(cache.search().set("q", &[1]).await, Ok(()));
    cache.popular_searches().record("rust");
    assert_eq!(cache.popular_searches().top(1).await, [("rust".to_owned(), 1)]);
    cache.leads().invalidate_all().await;
}

#[tokio::test]
async fn a_value_that_cannot_be_written_is_returned_all_the_same() {
    #[derive(Debug, Clone, PartialEq, Deserialize)]
    struct Odd(u32);
    impl Serialize for Odd {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("no luck"))
        }
    }
    for cache in managers().await {
        let load = || async { Ok::<_, String>(Odd(7)) };
        assert_eq!(
            cache.analytics().get_or_fetch("odd", load).await,
            Ok(Odd(7)),
            "{cache:?}"
        );
        let error = cache.analytics().set("odd", &Odd(7)).await.expect_err("an error");
        assert!(matches!(error, CacheError::Serialization(_)), "{error}");
    }
}
