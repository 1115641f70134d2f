//! A thousand callers of one key that nobody has loaded yet.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use cached::macros::{cached, concurrent_cached};
use tokio::runtime::{Builder, Runtime};

use crate::Options;
use crate::data::{CAPACITY, Item, item};
use crate::table::quantile;

const CALLERS: usize = 1_000;
const LOAD: Duration = Duration::from_millis(50);

static RUNS: AtomicU64 = AtomicU64::new(0);

async fn load(id: u64) -> Item {
    RUNS.fetch_add(1, Relaxed);
    tokio::time::sleep(LOAD).await;
    item(id)
}

#[cfg(feature = "ours")]
#[cache_core::cache_result(key = "stampede:{id}", ttl = 3600)]
async fn ours(id: u64) -> Item {
    load(id).await
}

#[cached]
async fn cached_default(id: u64) -> Item {
    load(id).await
}

#[cached(sync_writes = "by_key")]
async fn cached_by_key(id: u64) -> Item {
    load(id).await
}

#[concurrent_cached]
async fn concurrent_default(id: u64) -> Item {
    load(id).await
}

async fn moka(id: u64) -> Item {
    static CACHE: LazyLock<moka::future::Cache<u64, Item>> =
        LazyLock::new(|| moka::future::Cache::new(CAPACITY as u64));
    let loaded = CACHE.try_get_with(id, async { Ok::<_, Infallible>(load(id).await) });
    loaded.await.expect("infallible")
}

async fn quick(id: u64) -> Item {
    static CACHE: LazyLock<quick_cache::sync::Cache<u64, Item>> =
        LazyLock::new(|| quick_cache::sync::Cache::new(CAPACITY));
    let loaded = CACHE.get_or_insert_async(&id, async { Ok::<_, Infallible>(load(id).await) });
    loaded.await.expect("infallible")
}

type Call = Box<dyn Fn(u64) -> Pin<Box<dyn Future<Output = Item> + Send>>>;

fn call<R: Future<Output = Item> + Send + 'static>(function: fn(u64) -> R) -> Call {
    Box::new(move |id| Box::pin(function(id)))
}

/// Prints the table.
pub fn run(options: &Options) {
    let candidates = [
        #[cfg(feature = "ours")]
        ("ours: `#[cache_result]`", call(ours)),
        ("cached: `#[cached]`", call(cached_default)),
        ("cached: `#[cached]` sync_writes by_key", call(cached_by_key)),
        ("cached: `#[concurrent_cached]`", call(concurrent_default)),
        ("moka by hand: try_get_with", call(moka)),
        ("quick_cache by hand: get_or_insert_async", call(quick)),
    ];
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let rounds = options.effort(9, 0).rounds;
    let mut samples = vec![Vec::new(); candidates.len()];
    for round in 0..rounds {
        for step in 0..candidates.len() {
            let at = (round + step) % candidates.len();
            samples[at].push(stampede(&runtime, round as u64, &candidates[at].1));
        }
    }
    println!(
        "\n#### Stampede: {CALLERS} callers of one cold key, a load of {} ms, 2 threads\n",
        LOAD.as_millis()
    );
    println!("Medians of {rounds} interleaved rounds; spawning the callers is part of the time.\n");
    println!("| candidate | runs of the loader | wall ms | over the load, ms |");
    println!("|---|--:|--:|--:|");
    for ((name, _), samples) in candidates.iter().zip(&samples) {
        let runs = quantile(samples.iter().map(|it| it.0), 0.5);
        let wall = quantile(samples.iter().map(|it| it.1), 0.5);
        println!(
            "| {name} | {runs} | {wall:.2} | {:.2} |",
            wall - LOAD.as_secs_f64() * 1e3
        );
    }
}

/// Runs of the loader, and milliseconds.
fn stampede(runtime: &Runtime, id: u64, call: &Call) -> (f64, f64) {
    RUNS.store(0, Relaxed);
    let start = Instant::now();
    runtime.block_on(async {
        let callers: Vec<_> = (0..CALLERS).map(|_| tokio::spawn(call(id))).collect();
        for caller in callers {
            assert_eq!(caller.await.expect("the caller ends").id, id);
        }
    });
    (RUNS.load(Relaxed) as f64, start.elapsed().as_secs_f64() * 1e3)
}
