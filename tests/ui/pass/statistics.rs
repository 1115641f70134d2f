//! A function that invalidates has a row of its own, and counts what it invalidated.
#![deny(warnings)]

use cache_core::{CacheManager, cache_result, invalidate_cache};

#[cache_result(key = "lead:{id}")]
async fn get(id: u64) -> u64 {
    id
}

#[invalidate_cache(get(id), "lead:*", tags = ["city:{id}"])]
async fn update(id: u64) -> Result<u64, String> {
    if id == 0 { Err("no such lead".to_owned()) } else { Ok(id) }
}

#[invalidate_cache(get(id), get(..))]
async fn stuck(id: u64) {
    std::future::pending::<()>().await;
    let _ = id;
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let cache = CacheManager::in_memory();
    runtime.block_on(cache.scope(async {
        let invalidations =
            |name: &str| cache.stats().functions[&format!("{}::{name}", module_path!())].invalidations;
        get(1).await;
        assert!(update(0).await.is_err());
        assert_eq!(invalidations("update"), 0);
        assert_eq!(update(1).await, Ok(1));
        assert_eq!((invalidations("update"), invalidations("get")), (3, 0));
        assert_eq!(cache.stats().total.invalidations, 3);
        // What is given up half-way is invalidated all the same.
        assert!(tokio::time::timeout(std::time::Duration::from_millis(1), stuck(1)).await.is_err());
        assert_eq!((invalidations("stuck"), cache.stats().total.invalidations), (2, 5));
        cache.invalidate("lead:1").await;
        assert_eq!(cache.stats().total.invalidations, 6);
    }));
}
