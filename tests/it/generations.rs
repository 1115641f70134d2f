//! What invalidates many entries at once: tags, functions, namespaces.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Duration;

use cache_core::{CacheManager, cache_result, cache_search_results, invalidate_cache};

/// A load of half a second, which gives the number of its run.
async fn run(runs: &AtomicU32) -> u32 {
    let run = runs.fetch_add(1, SeqCst) + 1;
    tokio::time::sleep(Duration::from_millis(500)).await;
    run
}

#[cache_result(key = "shop:{id}:name", skip(cache, runs, city), tags = ["city:{city}"], manager = cache)]
async fn name(cache: &CacheManager, runs: &AtomicU32, id: u32, city: &str) -> u32 {
    run(runs).await
}

#[cache_result(key = "shop:{id}:sales", skip(cache, runs), manager = cache)]
async fn sales(cache: &CacheManager, runs: &AtomicU32, id: u32) -> u32 {
    run(runs).await
}

#[cache_search_results(skip(runs, cache), manager = cache)]
async fn search(cache: &CacheManager, runs: &AtomicU32, text: &str) -> Vec<u32> {
    let _ = text;
    vec![run(runs).await]
}

#[cache_search_results(skip(runs, cache), manager = cache)]
async fn search_sales(cache: &CacheManager, runs: &AtomicU32, text: &str) -> Vec<u32> {
    let _ = text;
    vec![run(runs).await]
}

#[invalidate_cache(tags = ["city:{city}"], manager = cache)]
async fn by_tag(cache: &CacheManager, city: &str) {}

#[invalidate_cache("shop:*", manager = cache)]
async fn by_namespace(cache: &CacheManager) {}

#[invalidate_cache("shop:{id}:*", manager = cache)]
async fn by_pattern(cache: &CacheManager, id: u32) {}

#[invalidate_cache(name(..), manager = cache)]
async fn by_function(cache: &CacheManager) {}

#[invalidate_cache(search(..), manager = cache)]
async fn all_searches(cache: &CacheManager) {}

async fn invalidate(cache: &CacheManager, how: &str) {
    match how {
        "tag" => by_tag(cache, "Bonn").await,
        "namespace" => by_namespace(cache).await,
        "pattern" => by_pattern(cache, 1).await,
        "function" => by_function(cache).await,
        "key" => assert!(!cache.delete("shop:1:name").await),
        _ => cache.clear().await,
    }
}

const WAYS: [&str; 6] = ["tag", "namespace", "pattern", "function", "key", "clear"];

#[tokio::test(start_paused = true)]
async fn g1_what_was_invalidated_during_its_load_is_not_stored() {
    for how in WAYS {
        let (cache, runs) = (CacheManager::in_memory(), Arc::new(AtomicU32::new(0)));
        let (first, ()) = tokio::join!(name(&cache, &runs, 1, "Bonn"), async {
            tokio::time::sleep(Duration::from_millis(250)).await;
            invalidate(&cache, how).await;
        });
        assert_eq!(first, 1, "{how}");
        assert_eq!(name(&cache, &runs, 1, "Bonn").await, 2, "{how}");
        assert_eq!(name(&cache, &runs, 1, "Bonn").await, 2, "{how}");
    }
}

#[tokio::test(start_paused = true)]
async fn g2_a_call_after_an_invalidation_does_not_join_an_earlier_load() {
    for how in WAYS {
        let (cache, runs) = (CacheManager::in_memory(), Arc::new(AtomicU32::new(0)));
        let (first, second) = tokio::join!(name(&cache, &runs, 1, "Bonn"), async {
            tokio::time::sleep(Duration::from_millis(250)).await;
            invalidate(&cache, how).await;
            name(&cache, &runs, 1, "Bonn").await
        });
        assert_eq!((first, second), (1, 2), "{how}");
        // The older load ended first; had it ended last, the newer value would stay too.
        assert_eq!(name(&cache, &runs, 1, "Bonn").await, 2, "{how}");
    }
}

#[tokio::test(start_paused = true)]
async fn g4_each_name_takes_its_own_entries_and_no_others() {
    let (cache, runs) = (CacheManager::in_memory(), Arc::new(AtomicU32::new(0)));
    let load = async || {
        (
            name(&cache, &runs, 1, "Bonn").await,
            name(&cache, &runs, 2, "Ulm").await,
            sales(&cache, &runs, 1).await,
            search(&cache, &runs, "tea").await[0],
            search_sales(&cache, &runs, "tea").await[0],
        )
    };
    assert_eq!(load().await, (1, 2, 3, 4, 5));
    cache.set("shop:7:name", &7).await.expect("stored");
    by_tag(&cache, "Bonn").await;
    assert_eq!(load().await, (6, 2, 3, 4, 5));
    by_function(&cache).await;
    assert_eq!(load().await, (7, 8, 3, 4, 5));
    all_searches(&cache).await;
    assert_eq!(load().await, (7, 8, 3, 9, 5));
    by_namespace(&cache).await;
    assert_eq!(load().await, (10, 11, 12, 9, 5));
    assert_eq!(cache.get::<u8>("shop:7:name").await, None);
}

#[tokio::test(start_paused = true)]
async fn g4_a_function_takes_what_was_stored_under_its_keys_without_it() {
    let (cache, runs) = (CacheManager::in_memory(), Arc::new(AtomicU32::new(0)));
    cache.set("shop:1:sales", &70_u32).await.expect("stored");
    assert_eq!(sales(&cache, &runs, 1).await, 70);
    // This one has a tag, which that entry would not be found by.
    cache.set("shop:1:name", &71_u32).await.expect("stored");
    assert_eq!(name(&cache, &runs, 1, "Bonn").await, 1);
    cache
        .set("shop:2:name", &72_u32)
        .tags(["city:Ulm"])
        .await
        .expect("stored");
    assert_eq!(name(&cache, &runs, 2, "Ulm").await, 72);
    by_function(&cache).await;
    assert_eq!(name(&cache, &runs, 2, "Ulm").await, 2);
}
