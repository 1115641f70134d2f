//! What is left behind by many calls that end in all kinds of ways.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use crate::CacheManager;

/// How many keys: `LEAK_KEYS`, or few enough for every day.
fn keys() -> u32 {
    let said = std::env::var("LEAK_KEYS").ok();
    said.map_or(30_000, |said| said.parse().expect("a number"))
}

#[tokio::test]
async fn nothing_is_left_of_keys_that_are_gone() {
    let cache = CacheManager::builder()
        .backend(crate::BackendMode::Memory)
        .max_entries(1000)
        .build()
        .await
        .expect("a cache");
    let core = &cache.core;
    for n in 0..keys() {
        let fetch = cache.get_or_fetch(format!("k:{n}"), move || async move {
            match n % 4 {
                0 => Err("no such thing"),
                1 => poll_fn(|_| Poll::Pending).await,
                2 => {
                    tokio::task::yield_now().await;
                    Ok(n)
                }
                _ => Ok(n),
            }
        });
        let mut call = pin!(fetch.tags([format!("tag:{n}"), "all".to_owned()]).into_future());
        // A few steps, then the caller leaves; by then all but one kind have ended.
        for _ in 0..3 {
            if poll_fn(|context| Poll::Ready(call.as_mut().poll(context)))
                .await
                .is_ready()
            {
                break;
            }
        }
        if n % 100 == 0 {
            cache.invalidate_tag(format!("tag:{n}")).await;
        }
    }
    assert_eq!(core.memory.flights(), 0);
    assert!(core.memory.len() <= 1000);
    assert!(core.pending.is_empty());
    // Each entry refers to its tag, and twice as many names are kept before those that nothing refers to are let go.
    let names = core.generations.len();
    assert!(names <= 3 * 1024, "{names} names");
    assert!(cache.stats().total.loads >= u64::from(keys()) / 2);
    cache.invalidate_tag("all").await;
    assert_eq!(cache.get::<u32>(format!("k:{}", keys() - 1)).await, None);
}
