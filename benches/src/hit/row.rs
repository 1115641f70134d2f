//! The loops that call a candidate, the same ones for all.

use std::future::Future;
use std::hint::black_box;
use std::sync::LazyLock;

use tokio::runtime::{Builder, Runtime};

use crate::data::{ARGUMENTS, EVERY_KEY, FEW_KEYS, KEYS, ORDER, ZIPF_KEYS};
use crate::table::Candidate;

/// The name of the candidate that ratios are to.
pub const FLOOR: &str = "floor: unlocked hashbrown + ahash, borrowed key, clone";

const TASKS: usize = 64;

static ONE_THREAD: LazyLock<Runtime> = LazyLock::new(|| {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
});
static TWO_THREADS: LazyLock<Runtime> = LazyLock::new(|| {
    Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime")
});

/// One candidate, measured twice.
pub struct Row {
    /// One task on one thread.
    pub alone: Candidate<'static>,
    /// Many tasks on two threads.
    pub together: Candidate<'static>,
}

/// Runs a future on the thread of the rows that have one.
#[cfg(feature = "ours")]
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    ONE_THREAD.block_on(future)
}

/// A row whose calls all run inside of this manager's scope, entered once for each task.
#[cfg(feature = "ours")]
pub fn row_in<F, R>(manager: &'static cache_core::CacheManager, name: &str, call: F) -> Row
where
    F: Fn(u64, &'static str) -> R + Copy + Send + 'static,
    R: Future<Output: Send> + Send + 'static,
{
    prepare(name, move |order, offset, count, yielding| {
        manager.scope(call_each(call, order, offset, count, yielding))
    })
}

/// A row that calls `call` outside of any scope.
pub fn row<F, R>(name: &str, call: F) -> Row
where
    F: Fn(u64, &'static str) -> R + Copy + Send + 'static,
    R: Future<Output: Send> + Send + 'static,
{
    prepare(name, move |order, offset, count, yielding| {
        call_each(call, order, offset, count, yielding)
    })
}

/// Asks for each key once, so that all that is measured later are hits, and prepares both measurements.
fn prepare<F, R>(name: &str, calls: F) -> Row
where
    F: Fn(&'static [u32], usize, u64, bool) -> R + Copy + Send + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    ONE_THREAD.block_on(calls(&EVERY_KEY, 0, KEYS as u64, false));
    Row {
        alone: Candidate::new(name, 1, move |count| {
            ONE_THREAD.block_on(calls(&FEW_KEYS, 0, count, false))
        }),
        together: Candidate::new(name, TASKS as u64, move |count| {
            TWO_THREADS.block_on(async move {
                let task = |n: usize| tokio::spawn(calls(&ZIPF_KEYS, n * 1_009, count, true));
                let tasks: Vec<_> = (0..TASKS).map(task).collect();
                for task in tasks {
                    task.await.expect("the task ends");
                }
            });
        }),
    }
}

async fn call_each<F, R>(call: F, order: &'static [u32], offset: usize, count: u64, yielding: bool)
where
    F: Fn(u64, &'static str) -> R,
    R: Future,
{
    for n in 0..count as usize {
        let (id, name) = &ARGUMENTS[order[(offset + n) % ORDER] as usize];
        black_box(call(black_box(*id), black_box(name.as_str())).await);
        // The other tasks of this thread want to run too.
        if yielding && n % 64 == 63 {
            tokio::task::yield_now().await;
        }
    }
}
