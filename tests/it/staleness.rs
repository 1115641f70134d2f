//! What the options about staleness do, in memory, on a clock that is moved by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::time::Duration;

use cache_core::{CacheManager, SharedError, cache_result, invalidate_cache};
use tokio::time::{Instant, advance};

/// What the functions here load from: counts its runs, takes its time, and fails when told to.
#[derive(Default)]
struct Source {
    runs: AtomicU32,
    broken: AtomicBool,
    millis: AtomicU32,
}

#[derive(Debug, Clone, PartialEq)]
enum Failure {
    Broken,
    Late(bool),
}

impl From<SharedError> for Failure {
    fn from(error: SharedError) -> Self {
        Self::Late(error.is_timeout())
    }
}

impl Source {
    async fn load(&self) -> Result<u32, Failure> {
        let run = self.runs.fetch_add(1, SeqCst) + 1;
        tokio::time::sleep(Duration::from_millis(self.millis.load(SeqCst).into())).await;
        if self.broken.load(SeqCst) {
            return Err(Failure::Broken);
        }
        Ok(run)
    }

    fn runs(&self) -> u32 {
        self.runs.load(SeqCst)
    }

    fn breaks(&self, broken: bool) {
        self.broken.store(broken, SeqCst);
    }

    fn takes(&self, millis: u32) {
        self.millis.store(millis, SeqCst);
    }
}

fn setup() -> (CacheManager, Arc<Source>) {
    (CacheManager::in_memory(), Arc::default())
}

async fn seconds(seconds: u64) {
    advance(Duration::from_secs(seconds)).await;
}

/// Lets what was spawned run, without moving the clock.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

#[cache_result(key = "t:{id}", skip(cache, source), ttl = 10, stale_if_error = "1m", tags = ["group:{id}"], manager = cache)]
async fn on_error(cache: &CacheManager, source: &Source, id: u32) -> Result<u32, Failure> {
    source.load().await
}

#[invalidate_cache(on_error(id), manager = cache)]
async fn update(cache: &CacheManager, id: u32) {
    let _ = id;
}

#[tokio::test(start_paused = true)]
async fn t1_a_stale_value_is_served_on_failure_and_the_function_tried_once_a_window() {
    let (cache, source) = setup();
    assert_eq!(on_error(&cache, &source, 1).await, Ok(1));
    source.breaks(true);
    seconds(11).await;
    for _ in 0..3 {
        assert_eq!(on_error(&cache, &source, 1).await, Ok(1));
    }
    assert_eq!(source.runs(), 2);
    assert_eq!(cache.stats().total.stale_served, 3);
    assert_eq!(cache.stats().total.memory_hits, 0);
    // The window is 10 seconds.
    seconds(10).await;
    assert_eq!(on_error(&cache, &source, 1).await, Ok(1));
    assert_eq!(source.runs(), 3);
    seconds(10).await;
    source.breaks(false);
    assert_eq!(on_error(&cache, &source, 1).await, Ok(4));
    assert_eq!(on_error(&cache, &source, 1).await, Ok(4));
    assert_eq!(source.runs(), 4);
}

#[tokio::test(start_paused = true)]
async fn t1_past_the_window_the_error_comes_and_nothing_is_throttled() {
    let (cache, source) = setup();
    assert_eq!(on_error(&cache, &source, 1).await, Ok(1));
    source.breaks(true);
    // Failures meanwhile do not make it longer.
    for _ in 0..6 {
        seconds(11).await;
        assert_eq!(on_error(&cache, &source, 1).await, Ok(1));
    }
    seconds(5).await;
    for run in 8..11 {
        assert_eq!(on_error(&cache, &source, 1).await, Err(Failure::Broken));
        assert_eq!(source.runs(), run);
    }
}

#[tokio::test(start_paused = true)]
async fn t1_the_window_is_that_of_the_call() {
    let cache = CacheManager::in_memory();
    let fetch = async |source: Result<u32, Failure>, window: u64| {
        let fetch = cache
            .get_or_fetch("k", || async move { source })
            .ttl(Duration::from_secs(10));
        fetch.stale_if_error(Duration::from_secs(window)).await
    };
    assert_eq!(fetch(Ok(1), 60).await, Ok(1));
    seconds(30).await;
    assert_eq!(fetch(Err(Failure::Broken), 15).await, Err(Failure::Broken));
    assert_eq!(fetch(Err(Failure::Broken), 30).await, Ok(1));
}

#[tokio::test(start_paused = true)]
async fn t2_what_was_invalidated_is_not_served_stale() {
    for how in 0..4 {
        let (cache, source) = setup();
        assert_eq!(on_error(&cache, &source, 1).await, Ok(1));
        source.breaks(true);
        seconds(11).await;
        assert_eq!(on_error(&cache, &source, 1).await, Ok(1));
        match how {
            0 => update(&cache, 1).await,
            1 => assert!(cache.delete("t:1").await),
            2 => cache.invalidate_tag("group:1").await,
            _ => assert_eq!(cache.invalidate("t:*").await, 1),
        }
        assert_eq!(on_error(&cache, &source, 1).await, Err(Failure::Broken), "{how}");
    }
}

#[cache_result(
    key = "s:{id}",
    skip(cache, source),
    ttl = 10,
    stale_while_revalidate = "1m",
    tags = ["group:{id}"],
    manager = &cache
)]
async fn revalidated(cache: CacheManager, source: Arc<Source>, id: u32) -> Result<u32, Failure> {
    source.load().await
}

#[tokio::test(start_paused = true)]
async fn t3_stale_while_revalidate_serves_at_once_and_refreshes_once() {
    let (cache, source) = setup();
    let call = || revalidated(cache.clone(), Arc::clone(&source), 1);
    assert_eq!(call().await, Ok(1));
    seconds(11).await;
    source.takes(500);
    let start = Instant::now();
    for _ in 0..5 {
        assert_eq!(call().await, Ok(1));
        settle().await;
    }
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!((source.runs(), cache.stats().total.stale_served), (2, 5));
    tokio::time::sleep(Duration::from_millis(501)).await;
    assert_eq!(call().await, Ok(2));
    assert_eq!(source.runs(), 2);
    // Past the window the caller waits.
    seconds(71).await;
    assert_eq!(call().await, Ok(3));
    assert_eq!(cache.stats().total.stale_served, 5);
}

#[cache_result(
    key = "s:{id}",
    skip(cache, source),
    ttl = 10,
    refresh_ahead = 0.5,
    stale_while_revalidate = "1m",
    manager = &cache
)]
async fn ahead_and_after(cache: CacheManager, source: Arc<Source>, id: u32) -> Result<u32, Failure> {
    source.load().await
}

#[tokio::test(start_paused = true)]
async fn t3_nobody_waits_for_a_refresh_ahead_that_outlasts_the_ttl() {
    let (cache, source) = setup();
    let call = || ahead_and_after(cache.clone(), Arc::clone(&source), 1);
    assert_eq!(call().await, Ok(1));
    seconds(6).await;
    source.takes(20_000);
    assert_eq!(call().await, Ok(1));
    settle().await;
    assert_eq!(source.runs(), 2);
    seconds(6).await;
    let start = Instant::now();
    assert_eq!(call().await, Ok(1));
    assert_eq!((start.elapsed(), source.runs()), (Duration::ZERO, 2));
    assert_eq!(cache.stats().total.stale_served, 1);
    seconds(20).await;
    settle().await;
    assert_eq!(call().await, Ok(2));
}

#[cache_result(key = "maybe:{id}", skip(cache, source), ttl = 10, stale_if_error = "1m", manager = cache)]
async fn maybe(cache: &CacheManager, source: &Source, id: u32) -> Result<Option<u32>, Failure> {
    let _ = cache;
    Ok(Some(source.load().await?).filter(|run| *run != 2))
}

#[tokio::test(start_paused = true)]
async fn t1_what_was_there_before_there_was_nothing_is_not_served_when_the_function_fails() {
    let (cache, source) = setup();
    assert_eq!(maybe(&cache, &source, 1).await, Ok(Some(1)));
    seconds(11).await;
    assert_eq!(maybe(&cache, &source, 1).await, Ok(None));
    source.breaks(true);
    assert_eq!(maybe(&cache, &source, 1).await, Err(Failure::Broken));
}

#[tokio::test(start_paused = true)]
async fn t3_a_refresh_that_fails_is_not_repeated_at_once() {
    let (cache, source) = setup();
    let call = || revalidated(cache.clone(), Arc::clone(&source), 1);
    assert_eq!(call().await, Ok(1));
    seconds(11).await;
    source.breaks(true);
    for _ in 0..5 {
        assert_eq!(call().await, Ok(1));
        settle().await;
    }
    assert_eq!(source.runs(), 2);
    seconds(11).await;
    assert_eq!(call().await, Ok(1));
    settle().await;
    assert_eq!(source.runs(), 3);
}

#[tokio::test(start_paused = true)]
async fn g1_a_refresh_in_the_background_does_not_bring_back_what_was_invalidated() {
    let (cache, source) = setup();
    let call = || revalidated(cache.clone(), Arc::clone(&source), 1);
    assert_eq!(call().await, Ok(1));
    seconds(11).await;
    source.takes(500);
    assert_eq!(call().await, Ok(1));
    settle().await;
    assert_eq!(source.runs(), 2);
    assert!(cache.delete("s:1").await);
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(call().await, Ok(3));
}

#[tokio::test(start_paused = true)]
async fn t3_a_refresh_that_begins_after_an_invalidation_is_stored() {
    let (cache, source) = setup();
    let call = || revalidated(cache.clone(), Arc::clone(&source), 1);
    assert_eq!(call().await, Ok(1));
    seconds(11).await;
    assert_eq!(call().await, Ok(1));
    // It has the lead of the load, and has not begun.
    assert_eq!(source.runs(), 1);
    cache.invalidate_tag("group:1").await;
    settle().await;
    assert_eq!(source.runs(), 2);
    assert_eq!(call().await, Ok(2));
    assert_eq!((source.runs(), cache.stats().total.memory_hits), (2, 1));
}

#[cache_result(key = "a:{id}", skip(cache, source), ttl = 100, refresh_ahead = 0.8, manager = &cache)]
async fn ahead(cache: CacheManager, source: Arc<Source>, id: u32) -> u32 {
    source.load().await.unwrap_or(0)
}

#[tokio::test(start_paused = true)]
async fn t3_refresh_ahead_refreshes_once_while_hits_go_on() {
    let (cache, source) = setup();
    let call = || ahead(cache.clone(), Arc::clone(&source), 1);
    assert_eq!(call().await, 1);
    seconds(79).await;
    assert_eq!(call().await, 1);
    settle().await;
    assert_eq!(source.runs(), 1);
    seconds(2).await;
    source.takes(1000);
    for _ in 0..5 {
        assert_eq!(call().await, 1);
        settle().await;
    }
    assert_eq!((source.runs(), cache.stats().total.misses), (2, 1));
    tokio::time::sleep(Duration::from_millis(1001)).await;
    assert_eq!(call().await, 2);
    // The new value has a TTL of its own.
    seconds(79).await;
    assert_eq!(call().await, 2);
    settle().await;
    assert_eq!(source.runs(), 2);
}

#[cache_result(
    key = "soft:{id}", skip(cache, source), ttl = 10, stale_if_error = "1m", soft_timeout = "100ms", hard_timeout = "1s",
    manager = &cache
)]
async fn impatient(cache: CacheManager, source: Arc<Source>, id: u32) -> Result<u32, Failure> {
    source.load().await
}

#[tokio::test(start_paused = true)]
async fn t1_past_the_soft_timeout_a_stale_value_is_served_and_the_load_goes_on() {
    let (cache, source) = setup();
    let call = || impatient(cache.clone(), Arc::clone(&source), 1);
    assert_eq!(call().await, Ok(1));
    seconds(11).await;
    source.takes(500);
    let start = Instant::now();
    // The second waits for the first.
    assert_eq!(tokio::join!(call(), call()), (Ok(1), Ok(1)));
    assert_eq!(start.elapsed(), Duration::from_millis(100));
    assert_eq!((source.runs(), cache.stats().total.stale_served), (2, 2));
    // Who comes while it goes on is served too.
    assert_eq!(call().await, Ok(1));
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(call().await, Ok(2));
    assert_eq!(source.runs(), 2);
}

#[tokio::test(start_paused = true)]
async fn t1_the_hard_timeout_bounds_every_caller() {
    let (cache, source) = setup();
    let call = || impatient(cache.clone(), Arc::clone(&source), 1);
    source.takes(5000);
    let start = Instant::now();
    let late = Err(Failure::Late(true));
    assert_eq!(tokio::join!(call(), call()), (late.clone(), late));
    assert_eq!(start.elapsed(), Duration::from_secs(1));
    // It is an error of the function: where there is something stale, that is served.
    source.takes(0);
    let runs = source.runs();
    assert_eq!(call().await, Ok(runs + 1));
    seconds(11).await;
    source.takes(5000);
    assert_eq!(call().await, Ok(runs + 1));
    assert_eq!(cache.health().await.loads_running, 1);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(cache.health().await.loads_running, 0);
}

#[cache_result(key = "j:{id}", skip(cache, source), ttl = 100, jitter = 0.5, manager = cache)]
async fn jittered(cache: &CacheManager, source: &Source, id: u32) -> u32 {
    source.load().await.unwrap_or(0)
}

#[tokio::test(start_paused = true)]
async fn t5_jitter_only_shortens() {
    let (cache, source) = setup();
    let mut left = Vec::new();
    for id in 0..200 {
        jittered(&cache, &source, id).await;
        left.push(cache.ttl(format!("j:{id}")).await.expect("an entry").as_millis());
    }
    let (least, most) = (left.iter().min().expect("some"), left.iter().max().expect("some"));
    assert!(*least >= 50_000 && *most <= 100_000, "{least} {most}");
    assert!(*least < 60_000 && *most > 90_000, "{least} {most}");
}
