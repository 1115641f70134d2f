//! What a cached function's handle does, and `entry!`, `refresh` and `uncached` for methods.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use cache_core::{
    CacheManager, cache_lead_data, cache_result, cache_search_results, entry, invalidate_cache, refresh,
    uncached,
};
use serde::{Deserialize, Serialize};
use tests::RedisServer;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Lead {
    id: u64,
    city: String,
}

fn lead(id: u64, city: &str) -> Lead {
    Lead {
        id,
        city: city.to_owned(),
    }
}

/// Counts how often a function runs.
#[derive(Debug, Default)]
struct Db(AtomicU32);

impl Db {
    fn run(&self) -> u32 {
        self.0.fetch_add(1, Relaxed) + 1
    }

    fn runs(&self) -> u32 {
        self.0.load(Relaxed)
    }
}

type Found<T> = Result<Option<T>, String>;

#[cache_lead_data(skip(db), tags = ["leads", "lead:{lead_id}"])]
async fn get_lead(db: &Db, lead_id: u64) -> Found<Lead> {
    let run = db.run();
    Ok((lead_id != 0).then(|| lead(lead_id, &format!("run {run}"))))
}

#[cache_result(key = "shared:{name}", skip(db))]
async fn shared(db: &Db, name: String) -> Found<Arc<Lead>> {
    let run = db.run();
    Ok(Some(Arc::new(lead(1, &format!("{name} {run}")))))
}

#[cache_result(key = "held:{id}", tier = memory, skip(db), ttl = 60)]
async fn held(db: &Db, id: u64) -> u32 {
    let _ = id;
    db.run()
}

#[cache_result(key = "adaptive:{id}", ttl_from = |lead| Duration::from_secs(lead.id))]
async fn adaptive(id: u64) -> Lead {
    lead(id, "")
}

#[cache_search_results(popular = text, skip(db))]
async fn search(db: &Db, text: &str) -> Vec<u32> {
    let _ = text;
    vec![db.run()]
}

#[cache_result(key = "passed:{id}", bypass = *id > 9, skip(db))]
async fn passed(db: &Db, id: &u64) -> u32 {
    let _ = id;
    db.run()
}

async fn on_memory<F: Future>(test: F) -> F::Output {
    CacheManager::in_memory().scope(test).await
}

#[tokio::test]
async fn peek_never_runs_the_function_and_gives_what_a_call_has_stored() {
    on_memory(async {
        let db = Db::default();
        assert_eq!(get_lead::peek(&7).await, None);
        assert_eq!(db.runs(), 0);
        let loaded = get_lead(&db, 7).await.unwrap();
        assert_eq!(get_lead::peek(&7).await, loaded);
        assert_eq!(get_lead::peek(&8).await, None);
        assert_eq!(db.runs(), 1);
    })
    .await;
}

#[tokio::test]
async fn peek_counts_no_hit_and_no_miss() {
    let cache = CacheManager::in_memory();
    cache
        .scope(async {
            get_lead::peek(&7).await;
            get_lead::put(&7, lead(7, "Bonn")).await;
            get_lead::peek(&7).await;
        })
        .await;
    let total = cache.stats().total;
    assert_eq!((total.memory_hits, total.misses, total.loads), (0, 0, 0));
}

#[tokio::test]
async fn after_put_a_call_is_a_hit() {
    on_memory(async {
        let db = Db::default();
        get_lead::put(&7, lead(7, "Bonn")).await;
        assert_eq!(get_lead(&db, 7).await, Ok(Some(lead(7, "Bonn"))));
        assert_eq!(db.runs(), 0);
    })
    .await;
}

#[tokio::test]
async fn put_replaces_what_is_there() {
    on_memory(async {
        let db = Db::default();
        get_lead(&db, 7).await.unwrap();
        get_lead::put(&7, lead(7, "Bonn")).await;
        assert_eq!(get_lead(&db, 7).await, Ok(Some(lead(7, "Bonn"))));
    })
    .await;
}

#[tokio::test]
async fn behind_an_arc_put_takes_and_peek_gives_the_arc() {
    on_memory(async {
        let db = Db::default();
        shared::put("a", Arc::new(lead(2, "Bonn"))).await;
        let held: Arc<Lead> = shared::peek("a").await.unwrap();
        assert_eq!(*held, lead(2, "Bonn"));
        shared::put("a", Arc::new(lead(3, "Ulm"))).await;
        assert_eq!(shared(&db, "a".to_owned()).await.unwrap().unwrap().id, 3);
        assert_eq!(db.runs(), 0);
    })
    .await;
}

#[tokio::test]
async fn g3_a_load_that_began_before_a_put_does_not_replace_its_value() {
    static BEGUN: tokio::sync::Notify = tokio::sync::Notify::const_new();
    static GO: tokio::sync::Notify = tokio::sync::Notify::const_new();

    #[cache_result(key = "slow:{id}")]
    async fn slow(id: u64) -> String {
        BEGUN.notify_one();
        GO.notified().await;
        format!("loaded {id}")
    }

    let cache = CacheManager::in_memory();
    let load = tokio::spawn({
        let cache = cache.clone();
        async move { cache.scope(slow(1)).await }
    });
    BEGUN.notified().await;
    cache
        .scope(async {
            slow::put(&1, "put".to_owned()).await;
            assert_eq!(slow(1).await, "put");
            GO.notify_one();
            assert_eq!(load.await.unwrap(), "loaded 1");
            assert_eq!(slow(1).await, "put");
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn put_has_the_ttl_of_the_attribute() {
    on_memory(async {
        let db = Db::default();
        held::put(&1, 40).await;
        tokio::time::advance(Duration::from_secs(59)).await;
        assert_eq!(held(&db, 1).await, 40);
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(held(&db, 1).await, 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn put_has_the_ttl_that_is_computed_of_the_value() {
    on_memory(async {
        adaptive::put(&5, lead(5, "")).await;
        tokio::time::advance(Duration::from_secs(4)).await;
        assert!(adaptive::peek(&5).await.is_some());
        tokio::time::advance(Duration::from_secs(2)).await;
        assert!(adaptive::peek(&5).await.is_none());
    })
    .await;
}

#[tokio::test]
async fn what_is_put_is_dropped_by_its_tags_and_with_its_function() {
    let cache = CacheManager::in_memory();
    cache
        .scope(async {
            for id in 1..4 {
                get_lead::put(&id, lead(id, "Bonn")).await;
            }
            cache.invalidate_tag("lead:1").await;
            assert_eq!(get_lead::peek(&1).await, None);
            assert!(get_lead::peek(&2).await.is_some());
            assert!(get_lead::invalidate(&2).await);
            assert!(!get_lead::invalidate(&2).await);
            assert!(get_lead::peek(&3).await.is_some());
            get_lead::invalidate_all().await;
            assert_eq!(get_lead::peek(&3).await, None);
        })
        .await;
}

#[tokio::test]
async fn refresh_runs_once_and_stores() {
    on_memory(async {
        let db = Db::default();
        assert_eq!(held(&db, 1).await, 1);
        assert_eq!(held::refresh(&db, 1).await, 2);
        assert_eq!(held(&db, 1).await, 2);
        assert_eq!(db.runs(), 2);
    })
    .await;
}

#[tokio::test]
async fn uncached_is_the_bare_function() {
    let cache = CacheManager::in_memory();
    cache
        .scope(async {
            let db = Db::default();
            held(&db, 1).await;
            assert_eq!(held::uncached(&db, 1).await, 2);
            assert_eq!(held(&db, 1).await, 1);
            search::uncached(&db, "a").await;
            assert!(cache.popular_searches().top(1).await.is_empty());
            search(&db, "a").await;
            assert_eq!(cache.popular_searches().top(1).await.len(), 1);
        })
        .await;
    assert_eq!(cache.stats().total.misses, 2);
}

#[tokio::test]
async fn refresh_stores_nothing_that_the_attribute_passes_by() {
    on_memory(async {
        let db = Db::default();
        passed::refresh(&db, &10).await;
        assert_eq!(passed::peek(&10).await, None);
        passed::refresh(&db, &9).await;
        assert_eq!(passed::peek(&9).await, Some(2));
    })
    .await;
}

#[tokio::test]
async fn the_mode_of_a_call_is_for_its_own_look_up_alone() {
    #[cache_result(key = "inner:{id}", skip(db))]
    async fn inner(db: &Db, id: u64) -> u32 {
        let _ = id;
        db.run()
    }

    #[cache_result(key = "outer:{id}", skip(db))]
    async fn outer(db: &Db, id: u64) -> u32 {
        inner(db, id).await
    }

    on_memory(async {
        let db = Db::default();
        assert_eq!(outer(&db, 1).await, 1);
        // The outer one runs again; what it calls is a hit.
        assert_eq!(outer::refresh(&db, 1).await, 1);
        assert_eq!(outer::uncached(&db, 1).await, 1);
        assert_eq!(inner::refresh(&db, 1).await, 2);
        assert_eq!(outer(&db, 1).await, 1);
    })
    .await;
}

struct Repo {
    tenant: &'static str,
    db: Db,
}

impl Repo {
    #[cache_result(key = "repo:{self.tenant}:{id}")]
    async fn get(&self, id: u64) -> Result<u32, String> {
        let _ = id;
        Ok(self.db.run())
    }

    #[cache_result(skip(self))]
    async fn name(&self, id: u64) -> Option<Arc<String>> {
        Some(Arc::new(format!("{id} {}", self.db.run())))
    }

    #[invalidate_cache(self.get(id), Self::name(id))]
    async fn forget(&self, id: u64) {
        let _ = id;
    }
}

#[tokio::test]
async fn the_entries_of_methods_are_named_by_their_keyed_arguments() {
    let repo = Repo {
        tenant: "t",
        db: Db::default(),
    };
    on_memory(async {
        assert_eq!(entry!(repo.get(1)).key().as_str(), "repo:t:1");
        assert_eq!(entry!(repo.get(1)).peek().await, None);
        entry!(repo.get(1)).put(40).await;
        assert_eq!(repo.get(1).await, Ok(40));
        let name = entry!(Repo::name(1));
        name.put(Arc::new("put".to_owned())).await;
        assert_eq!(**repo.name(1).await.unwrap(), *"put");
        repo.forget(1).await;
        assert_eq!(name.peek().await, None);
        assert_eq!(entry!(repo.get(1)).peek().await, None);
        assert_eq!(repo.db.runs(), 0);
        assert!(!name.invalidate().await);
        // Functions have them too.
        assert_eq!(entry!(get_lead(7)).key(), &get_lead::key(&7));
    })
    .await;
}

#[tokio::test]
async fn calls_of_methods_are_refreshed_and_passed_by() {
    let repo = Repo {
        tenant: "t",
        db: Db::default(),
    };
    on_memory(async {
        assert_eq!(repo.get(1).await, Ok(1));
        assert_eq!(refresh(repo.get(1)).await, Ok(2));
        assert_eq!(repo.get(1).await, Ok(2));
        assert_eq!(uncached(repo.get(1)).await, Ok(3));
        assert_eq!(repo.get(1).await, Ok(2));
    })
    .await;
}

#[tokio::test]
async fn what_one_process_puts_another_peeks_at() {
    let redis = RedisServer::start();
    let one = CacheManager::connect(redis.url()).await.unwrap();
    let other = CacheManager::connect(redis.url()).await.unwrap();
    one.scope(get_lead::put(&7, lead(7, "Bonn"))).await;
    assert_eq!(other.scope(get_lead::peek(&7)).await, Some(lead(7, "Bonn")));
    let db = Db::default();
    assert_eq!(other.scope(get_lead(&db, 7)).await, Ok(Some(lead(7, "Bonn"))));
    assert_eq!(db.runs(), 0);
    // What is put is put under the tags.
    one.invalidate_tag("lead:7").await;
    assert_eq!(one.scope(get_lead::peek(&7)).await, None);
}
