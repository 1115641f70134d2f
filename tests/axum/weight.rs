//! What a hit allocates.

use axum::extract::Path;
use axum::{Json, response::Response};
use cache_core::{CacheManager, cache_response};

#[cache_response(key = "weight:{length}", ttl = "60s", tier = "memory")]
async fn lead(Path(length): Path<usize>) -> Json<Vec<u64>> {
    Json(vec![7; length])
}

/// Allocations of one hit, and their bytes.
async fn weight(manager: &CacheManager, length: usize) -> (u64, u64) {
    manager.scope(lead(Path(length))).await;
    // The second call still learns the short way to the entry.
    manager.scope(lead(Path(length))).await;
    let mut response = None;
    let mut future = Box::pin(manager.scope(lead(Path(length))));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let counted = allocation_counter::measure(|| {
        if let std::task::Poll::Ready(ready) = future.as_mut().poll(&mut context) {
            response = Some(ready);
        }
    });
    let response: Response = response.expect("a hit is there at once");
    assert!(
        response.headers()["cache-status"]
            .as_bytes()
            .starts_with(b"cache-core; hit"),
        "{:?}",
        response.headers()
    );
    (counted.count_total, counted.bytes_total)
}

#[tokio::test]
async fn h1_a_hit_makes_four_small_allocations_however_long_the_body() {
    let manager = CacheManager::in_memory();
    let short = weight(&manager, 10).await;
    let long = weight(&manager, 100_000).await;
    // The table of headers is two, the text of `Cache-Status` is one, the body's box is one.
    assert!(short.0 <= 4, "{short:?}");
    assert_eq!(short, long, "what is allocated does not depend on the body");
    assert!(long.1 < 2048, "{long:?}");
}
