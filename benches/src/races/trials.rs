//! The races within one process.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::Poll;
use std::time::{Duration, Instant};

use super::Library;
use super::callers::{Answers, Callers};
use super::source::{LOAD, Source, source};

/// After how long a caller without an answer hangs.
const DEADLINE: Duration = Duration::from_secs(2);

/// How many wait for a leader that is gone.
const WAITERS: usize = 10;

/// How many meet a loader that fails.
const FAILED: usize = 50;

/// How many ask for one cold key.
const COLD: usize = 1_000;

/// What each race is called, in the order of [`all`].
pub const ROWS: [&str; 7] = [
    "invalidated during a load: reads after that load that are stale",
    "invalidated during a load: callers after the invalidation, while it runs, who get the old value",
    "leader dropped half-way, 10 wait: answers since the drop",
    "leader never polled again (ours: lease of 1 s), 10 others: answers",
    "loader fails, error is `Clone`, 50 callers: answers",
    "loader fails, error is neither `Clone` nor `From`, 50 callers: answers",
    "1000 callers of a cold key: answers",
];

/// Runs all of them, those that are about luck so many times.
pub async fn all<L: Library>(trials: usize) -> [String; ROWS.len()] {
    invalidation_without_a_race::<L>().await;
    [
        of_trials(trials, stale_afterwards::<L>).await,
        of_trials(trials, stale_meanwhile::<L>).await,
        leader_dropped::<L>().await,
        leader_stuck::<L>().await,
        fails(L::fail_cloneable).await,
        fails(L::fail_unique).await,
        cold::<L>().await,
    ]
}

/// An id that no other trial uses, and its source.
fn fresh() -> (u64, Arc<Source>) {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let id = NEXT.fetch_add(1, Relaxed);
    (id, source(id))
}

/// In how many of the trials it happened; how many hung, if any did.
async fn of_trials<R: Future<Output = bool>>(trials: usize, trial: impl Fn() -> R) -> String {
    let (mut happened, mut hung) = (0, 0);
    for _ in 0..trials {
        match tokio::time::timeout(DEADLINE, trial()).await {
            Ok(it) => happened += usize::from(it),
            Err(_) => hung += 1,
        }
    }
    match hung {
        0 => format!("{happened} of {trials}"),
        _ => format!("{happened} of {trials}; {hung} hang (> {} s)", DEADLINE.as_secs()),
    }
}

fn told<T>(answers: &Answers<T>, source: &Source) -> String {
    let runs = source.runs();
    format!("{answers}, {runs} run{}", if runs == 1 { "" } else { "s" })
}

/// Panics unless the function is cached, and what is invalidated is its key.
async fn invalidation_without_a_race<L: Library>() {
    let (id, source) = fresh();
    let before = [L::read(id).await, L::read(id).await];
    assert_eq!((before, source.runs()), ([1, 1], 1), "{} caches", L::NAME);
    L::change(id).await;
    assert_eq!(L::read(id).await, 2, "{} invalidates", L::NAME);
}

async fn stale_afterwards<L: Library>() -> bool {
    let (id, source) = fresh();
    let load = tokio::spawn(L::read(id));
    source.half_way().await;
    L::change(id).await;
    load.await.expect("no caller panics");
    L::read(id).await != source.version()
}

async fn stale_meanwhile<L: Library>() -> bool {
    let (id, source) = fresh();
    let load = tokio::spawn(L::read(id));
    source.half_way().await;
    L::change(id).await;
    let stale = L::read(id).await != source.version();
    load.await.expect("no caller panics");
    stale
}

async fn leader_dropped<L: Library>() -> String {
    let (id, source) = fresh();
    let leader = tokio::spawn(L::read(id));
    source.half_way().await;
    let waiters = Callers::start(WAITERS, || L::read(id));
    waiters.begun().await;
    let start = Instant::now();
    leader.abort();
    told(&waiters.answers(start, DEADLINE).await, &source)
}

async fn leader_stuck<L: Library>() -> String {
    let (id, source) = fresh();
    let mut leader = Box::pin(L::read(id));
    while source.runs() == 0 {
        poll_once(leader.as_mut()).await;
        tokio::task::yield_now().await;
    }
    let others = Callers::start(WAITERS, || L::read(id));
    let told = told(&others.answers(Instant::now(), DEADLINE).await, &source);
    drop(leader);
    told
}

async fn poll_once(mut future: Pin<&mut impl Future>) {
    poll_fn(|context| {
        let _ = future.as_mut().poll(context);
        Poll::Ready(())
    })
    .await;
}

async fn fails<R: Future<Output = ()> + Send + 'static>(call: fn(u64) -> R) -> String {
    let (id, source) = fresh();
    let start = Instant::now();
    let callers = Callers::start(FAILED, || call(id));
    // Who runs the loader for one caller after the other is slow, and does not hang.
    let deadline = DEADLINE + LOAD * FAILED as u32;
    told(&callers.answers(start, deadline).await, &source)
}

async fn cold<L: Library>() -> String {
    let (id, source) = fresh();
    let start = Instant::now();
    let callers = Callers::start(COLD, || L::read(id));
    told(&callers.answers(start, DEADLINE).await, &source)
}
