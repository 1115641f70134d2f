//! One run for many callers (contract, section 7: S1, S3, S5, S6, S7, and G1, G2 in one process).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::time::Duration;

use cache_core::{CacheManager, SharedError, cache_result, invalidate_cache};
use tests::{shared, unique_prefix};
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;

/// A load that waits to be let go, and counts its runs.
#[derive(Default)]
struct Gate {
    runs: AtomicU32,
    entered: Notify,
    open: Semaphore2,
}

struct Semaphore2(Semaphore);

impl Default for Semaphore2 {
    fn default() -> Self {
        Self(Semaphore::new(0))
    }
}

impl Gate {
    async fn pass(&self) -> u32 {
        let run = self.runs.fetch_add(1, SeqCst) + 1;
        self.entered.notify_one();
        self.open.0.acquire().await.expect("never closed").forget();
        run
    }

    fn open(&self, for_how_many: usize) {
        self.open.0.add_permits(for_how_many);
    }

    fn runs(&self) -> u32 {
        self.runs.load(SeqCst)
    }
}

/// Lets every task that can go on do so.
async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

#[cache_result(key = "gated:{id}", skip(cache, gate), manager = cache)]
async fn gated(cache: &CacheManager, gate: &Gate, id: u64) -> u32 {
    let _ = (cache, id);
    gate.pass().await
}

#[tokio::test]
async fn s1_a_thousand_callers_are_one_run() {
    let (cache, gate) = (CacheManager::in_memory(), Arc::new(Gate::default()));
    let mut callers = JoinSet::new();
    for _ in 0..1000 {
        let (cache, gate) = (cache.clone(), gate.clone());
        callers.spawn(async move { gated(&cache, &gate, 1).await });
    }
    settle().await;
    gate.open(1000);
    while let Some(value) = callers.join_next().await {
        assert_eq!(value.expect("no panic"), 1);
    }
    assert_eq!(gate.runs(), 1);
    let stats = cache.stats().total;
    assert_eq!((stats.misses, stats.loads, stats.coalesced), (1000, 1, 999));
}

#[tokio::test]
async fn s3_when_the_leader_is_dropped_another_takes_over() {
    let (cache, gate) = (CacheManager::in_memory(), Arc::new(Gate::default()));
    let spawn = || {
        let (cache, gate) = (cache.clone(), gate.clone());
        tokio::spawn(async move { gated(&cache, &gate, 1).await })
    };
    let leader = spawn();
    gate.entered.notified().await;
    let waiters = [spawn(), spawn()];
    settle().await;
    leader.abort();
    // Nobody waits for the lease, which is ten seconds.
    let entered = tokio::time::timeout(Duration::from_secs(5), gate.entered.notified());
    entered.await.expect("at once");
    gate.open(1);
    for waiter in waiters {
        assert_eq!(waiter.await.expect("no panic"), 2);
    }
    assert_eq!(gate.runs(), 2);
    assert_eq!(cache.health().await.loads_running, 0);
}

#[tokio::test]
async fn s3_when_all_are_dropped_nothing_is_left() {
    let (cache, gate) = (CacheManager::in_memory(), Arc::new(Gate::default()));
    let spawn = || {
        let (cache, gate) = (cache.clone(), gate.clone());
        tokio::spawn(async move { gated(&cache, &gate, 1).await })
    };
    let leader = spawn();
    gate.entered.notified().await;
    let waiter = spawn();
    settle().await;
    waiter.abort();
    leader.abort();
    assert!(leader.await.is_err() && waiter.await.is_err());
    assert_eq!(cache.health().await.loads_running, 0);
}

#[tokio::test(start_paused = true)]
async fn s4_a_leader_that_nobody_polls_blocks_the_others_for_the_lease_at_most() {
    let cache = CacheManager::builder()
        .lease(Duration::from_secs(3))
        .build()
        .await
        .expect("a cache");
    let gate = Arc::new(Gate::default());
    let mut stuck = Box::pin(gated(&cache, &gate, 1));
    assert!(poll_once(&mut stuck).await.is_none());
    gate.open(1);
    let started = tokio::time::Instant::now();
    // The permit goes to whoever polls first: the stuck leader never does.
    let other = {
        let (cache, gate) = (cache.clone(), gate.clone());
        tokio::spawn(async move { gated(&cache, &gate, 1).await })
    };
    gate.open(1);
    assert_eq!(other.await.expect("no panic"), 2);
    assert_eq!(started.elapsed().as_secs(), 3);
    drop(stuck);
}

async fn poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    std::future::poll_fn(|context| match std::pin::Pin::new(&mut *future).poll(context) {
        std::task::Poll::Ready(value) => std::task::Poll::Ready(Some(value)),
        std::task::Poll::Pending => std::task::Poll::Ready(None),
    })
    .await
}

#[cache_result(key = "panics:{id}", skip(cache, gate), manager = cache)]
async fn panics(cache: &CacheManager, gate: &Gate, id: u64) -> u64 {
    let _ = cache;
    if gate.pass().await == 1 {
        panic!("the source is broken");
    }
    id
}

#[tokio::test]
async fn s5_a_panic_reaches_all_callers_and_locks_nothing() {
    let (cache, gate) = (CacheManager::in_memory(), Arc::new(Gate::default()));
    let spawn = || {
        let (cache, gate) = (cache.clone(), gate.clone());
        tokio::spawn(async move { panics(&cache, &gate, 7).await })
    };
    let callers = [spawn(), spawn(), spawn()];
    settle().await;
    gate.open(1);
    for caller in callers {
        let error = caller.await.expect_err("a panic");
        let text = error.into_panic();
        let text = text
            .downcast_ref::<String>()
            .cloned()
            .or(text.downcast_ref::<&str>().map(|s| (*s).to_owned()));
        assert_eq!(text.as_deref(), Some("the source is broken"));
    }
    gate.open(1);
    assert_eq!(panics(&cache, &gate, 7).await, 7);
    assert_eq!(cache.health().await.loads_running, 0);
}

#[cache_result(key = "nested:{n}", skip(cache), manager = cache)]
async fn nested(cache: &CacheManager, n: u32) -> u32 {
    if n > 0 && cache.stats().total.loads == 0 && !INSIDE.swap(true, SeqCst) {
        // Boxed, since a future cannot hold itself.
        return Box::pin(nested(cache, n)).await + 1;
    }
    n
}

static INSIDE: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);

#[tokio::test]
async fn s6_a_function_that_calls_itself_on_its_own_key_does_not_wait_for_itself() {
    let cache = CacheManager::in_memory();
    let value = tokio::time::timeout(Duration::from_secs(5), nested(&cache, 5))
        .await
        .expect("no deadlock");
    assert_eq!(value, 6);
}

#[cache_result(key = "inside:{id}", skip(cache, again), manager = cache)]
async fn inside(cache: &CacheManager, again: &AtomicBool, id: u32) -> u32 {
    if again.swap(false, SeqCst) {
        return Box::pin(inside(cache, again, id)).await + 1;
    }
    id
}

#[tokio::test]
async fn s6_nor_for_the_claim_that_it_has_in_redis() {
    let builder = CacheManager::builder().redis_url(shared().url());
    let cache = builder
        .key_prefix(unique_prefix())
        .build()
        .await
        .expect("a cache");
    let again = AtomicBool::new(true);
    // The lease is ten seconds.
    let value = tokio::time::timeout(Duration::from_secs(5), inside(&cache, &again, 5)).await;
    assert_eq!(value.expect("no deadlock"), 6);
}

#[derive(Debug, Clone, PartialEq)]
struct CloneError(u32);

#[derive(Debug)]
struct LoneError(u32);

#[cache_result(key = "clone_error:{id}", skip(cache, gate), manager = cache)]
async fn fails_cloneable(cache: &CacheManager, gate: &Gate, id: u64) -> Result<u64, CloneError> {
    let _ = (cache, id);
    Err(CloneError(gate.pass().await))
}

#[cache_result(key = "anyhow_error:{id}", skip(cache, gate), manager = cache)]
async fn fails_anyhow(cache: &CacheManager, gate: &Gate, id: u64) -> anyhow::Result<u64> {
    let _ = cache;
    let run = gate.pass().await;
    Err(anyhow::anyhow!("run {run}").context(format!("loading {id}")))
}

#[cache_result(key = "lone_error:{id}", skip(cache, gate), manager = cache)]
async fn fails_alone(cache: &CacheManager, gate: &Gate, id: u64) -> Result<u64, LoneError> {
    let _ = (cache, id);
    Err(LoneError(gate.pass().await))
}

macro_rules! fifty {
    ($function:ident, $cache:expr, $gate:expr) => {{
        let mut callers = JoinSet::new();
        for _ in 0..50 {
            let (cache, gate) = ($cache.clone(), $gate.clone());
            callers.spawn(async move { $function(&cache, &gate, 1).await });
        }
        settle().await;
        $gate.open(50);
        callers.join_all().await
    }};
}

#[tokio::test]
async fn s1_an_error_that_can_be_shared_goes_to_all_who_waited() {
    let (cache, gate) = (CacheManager::in_memory(), Arc::new(Gate::default()));
    let errors = fifty!(fails_cloneable, cache, gate);
    assert!(errors.iter().all(|error| *error == Err(CloneError(1))));
    assert_eq!(gate.runs(), 1);

    let gate = Arc::new(Gate::default());
    let errors = fifty!(fails_anyhow, cache, gate);
    assert_eq!(gate.runs(), 1);
    let shared = errors
        .iter()
        .filter(|error| error.as_ref().is_err_and(|error| error.is::<SharedError>()))
        .count();
    assert_eq!(shared, 49);
    assert!(errors.iter().all(|error| {
        error
            .as_ref()
            .is_err_and(|error| format!("{error:#}") == "loading 1: run 1")
    }));
}

#[tokio::test]
async fn s1_with_an_error_that_cannot_be_shared_each_runs_side_by_side() {
    let (cache, gate) = (CacheManager::in_memory(), Arc::new(Gate::default()));
    let mut callers = JoinSet::new();
    for _ in 0..50 {
        let (cache, gate) = (cache.clone(), gate.clone());
        callers.spawn(async move { fails_alone(&cache, &gate, 1).await });
    }
    settle().await;
    gate.open(1);
    settle().await;
    // All of them are inside of the function at the same time.
    assert_eq!(gate.runs(), 50);
    gate.open(49);
    let mut runs: Vec<u32> = callers
        .join_all()
        .await
        .into_iter()
        .map(|error| error.expect_err("an error").0)
        .collect();
    runs.sort_unstable();
    assert_eq!(runs, (1..=50).collect::<Vec<_>>());
}

#[tokio::test]
async fn s7_an_error_is_not_stored() {
    let (cache, gate) = (CacheManager::in_memory(), Arc::new(Gate::default()));
    gate.open(2);
    assert_eq!(fails_cloneable(&cache, &gate, 1).await, Err(CloneError(1)));
    assert_eq!(fails_cloneable(&cache, &gate, 1).await, Err(CloneError(2)));
}

#[cache_result(key = "first_fails:{id}", skip(cache, gate), manager = cache)]
async fn first_fails(cache: &CacheManager, gate: &Gate, id: u64) -> Result<u32, CloneError> {
    let _ = (cache, id);
    match gate.pass().await {
        1 => Err(CloneError(1)),
        run => Ok(run),
    }
}

#[tokio::test(start_paused = true)]
async fn s4_the_failure_of_a_leader_that_was_replaced_is_its_own() {
    let builder = CacheManager::builder().lease(Duration::from_secs(3));
    let (cache, gate) = (builder.build().await.expect("a cache"), Arc::new(Gate::default()));
    let mut stuck = Box::pin(first_fails(&cache, &gate, 1));
    assert!(poll_once(&mut stuck).await.is_none());
    let others = [1, 2].map(|_| {
        let (cache, gate) = (cache.clone(), gate.clone());
        tokio::spawn(async move { first_fails(&cache, &gate, 1).await })
    });
    // One of them takes over.
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(gate.runs(), 2);
    gate.open(1);
    assert_eq!(stuck.await, Err(CloneError(1)));
    settle().await;
    gate.open(1);
    for other in others {
        assert_eq!(other.await.expect("no panic"), Ok(2));
    }
    assert_eq!(gate.runs(), 2);
}

#[invalidate_cache(gated(id), manager = cache)]
async fn change(cache: &CacheManager, id: u64) {
    let _ = (cache, id);
}

#[tokio::test]
async fn g1_g2_an_invalidation_keeps_a_load_that_started_before_it_out() {
    let (cache, gate) = (CacheManager::in_memory(), Arc::new(Gate::default()));
    let spawn = || {
        let (cache, gate) = (cache.clone(), gate.clone());
        tokio::spawn(async move { gated(&cache, &gate, 1).await })
    };
    for invalidation in ["function", "delete", "pattern", "clear"] {
        let before = gate.runs();
        let old = spawn();
        gate.entered.notified().await;
        match invalidation {
            "function" => change(&cache, 1).await,
            "delete" => assert!(!cache.delete("gated:1").await),
            "pattern" => assert_eq!(cache.invalidate("gated:*").await, 0),
            _ => cache.clear().await,
        }
        // Whoever comes after the invalidation runs for itself.
        let new = spawn();
        gate.entered.notified().await;
        gate.open(2);
        assert_eq!(
            old.await.expect("no panic") + new.await.expect("no panic"),
            before * 2 + 3,
            "{invalidation}"
        );
        assert_eq!(gated(&cache, &gate, 1).await, before + 2, "{invalidation}");
        cache.clear().await;
    }
}

static STORED: AtomicU32 = AtomicU32::new(1);

#[cache_result(key = "stored:{id}", skip(cache), manager = cache)]
async fn stored(cache: &CacheManager, id: u64) -> u32 {
    let _ = (cache, id);
    STORED.load(SeqCst)
}

#[invalidate_cache(stored(id), manager = cache)]
async fn store_and_hang(cache: &CacheManager, id: u64) {
    let _ = (cache, id);
    STORED.store(2, SeqCst);
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_function_that_is_dropped_after_it_has_written_invalidates_all_the_same() {
    let cache = CacheManager::in_memory();
    assert_eq!(stored(&cache, 1).await, 1);
    let mut change = Box::pin(store_and_hang(&cache, 1));
    assert!(poll_once(&mut change).await.is_none());
    drop(change);
    assert_eq!(stored(&cache, 1).await, 2);
}

#[cache_result(key = "slow:{id}", skip(cache, runs), manager = cache)]
async fn slow(cache: &CacheManager, runs: &AtomicU32, id: u64) -> u32 {
    let _ = (cache, id);
    let run = runs.fetch_add(1, SeqCst) + 1;
    tokio::time::sleep(Duration::from_secs(25)).await;
    run
}

#[tokio::test(start_paused = true)]
async fn s4_a_load_longer_than_the_lease_still_answers_all_who_wait_for_it() {
    let cache = CacheManager::in_memory();
    let runs = Arc::new(AtomicU32::new(0));
    let started = tokio::time::Instant::now();
    let mut callers = JoinSet::new();
    for _ in 0..50 {
        let (cache, runs) = (cache.clone(), runs.clone());
        callers.spawn(async move { slow(&cache, &runs, 1).await });
    }
    let values = callers.join_all().await;
    // The leader gives signs of life, however long it waits for something else.
    assert_eq!(runs.load(SeqCst), 1);
    assert!(values.iter().all(|value| *value == 1));
    assert_eq!(started.elapsed().as_secs(), 25);
    assert_eq!(cache.health().await.loads_running, 0);
}

#[tokio::test(start_paused = true)]
async fn g1_a_successor_is_fenced_though_the_leader_it_replaced_has_ended() {
    let cache = CacheManager::in_memory();
    let runs = Arc::new(AtomicU32::new(0));
    let spawn = || {
        let (cache, runs) = (cache.clone(), runs.clone());
        tokio::spawn(async move { slow(&cache, &runs, 1).await })
    };
    let (leader, successor) = (spawn(), spawn());
    leader.await.expect("no panic");
    cache.delete("slow:1").await;
    successor.await.expect("no panic");
    assert_eq!(cache.get::<u32>("slow:1").await, None);
}

#[cache_result(key = "picky:{id}", skip(cache, gate), manager = cache, cache_if = |value| if *value == 1 { panic!("unsure") } else { true })]
async fn picky(cache: &CacheManager, gate: &Gate, id: u64) -> u32 {
    let _ = (cache, id);
    gate.pass().await
}

#[tokio::test]
async fn s5_a_panic_in_a_condition_is_one_of_the_function() {
    let (cache, gate) = (CacheManager::in_memory(), Arc::new(Gate::default()));
    let mut callers = JoinSet::new();
    for _ in 0..10 {
        let (cache, gate) = (cache.clone(), gate.clone());
        callers.spawn(async move { picky(&cache, &gate, 1).await });
    }
    settle().await;
    gate.open(10);
    while let Some(caller) = callers.join_next().await {
        assert!(caller.expect_err("a panic").is_panic());
    }
    assert_eq!(gate.runs(), 1);
    assert_eq!(picky(&cache, &gate, 1).await, 2);
}

#[cache_result(key = "turned:{id}", skip(cache, now, again), manager = cache, refresh = again)]
async fn turned(cache: &CacheManager, now: Option<u32>, again: bool, id: u64) -> Option<u32> {
    let _ = (cache, id);
    now
}

#[tokio::test]
async fn a_refresh_that_gives_nothing_to_store_takes_what_is_there_away() {
    let cache = CacheManager::in_memory();
    assert_eq!(turned(&cache, Some(1), false, 1).await, Some(1));
    assert_eq!(turned(&cache, Some(2), true, 1).await, Some(2));
    assert_eq!(turned(&cache, None, false, 1).await, Some(2));
    assert_eq!(turned(&cache, None, true, 1).await, None);
    assert_eq!(turned(&cache, Some(3), false, 1).await, Some(3));
}
