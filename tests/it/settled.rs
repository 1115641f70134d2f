//! Waiting for what comes by itself: looks until it is so, with a deadline.

use std::time::{Duration, Instant};

const DEADLINE: Duration = Duration::from_secs(20);

/// Looks until it is so, and gives how long that took.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) -> Duration {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < DEADLINE, "still not: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
    started.elapsed()
}

/// The same, while other tasks go on.
pub(crate) async fn until_async(what: &str, mut is_so: impl AsyncFnMut() -> bool) -> Duration {
    let started = Instant::now();
    while !is_so().await {
        assert!(started.elapsed() < DEADLINE, "still not: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    started.elapsed()
}
