//! What a node of a cluster costs the others: one that is killed, started again, hung, and a slot that moves.
//!
//! Reads of entries on one node, and of entries that depend on the two others alone, each at a steady pace. What counts is the
//! p99 of the others next to that of the same run while nothing happened.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

use cache_core::{BackendMode, CacheManager};
use tokio::runtime::Builder;
use tokio::task::JoinSet;

use crate::Options;
use crate::redis_cluster::RedisCluster;

const SPAN: Duration = Duration::from_secs(10);
const KEYS: usize = 64;
const READERS: usize = 8;

/// Prints the table.
pub fn run(_: &Options) {
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(table());
}

async fn table() {
    println!("\n## Cluster: what one node costs the others\n");
    println!(
        "| while | reads of the others | not found | p50 | p99 | p99 to undisturbed | reads of the node | found | p99 |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    let cluster = RedisCluster::start();
    let cache = CacheManager::builder()
        .redis_url(cluster.url())
        .backend(BackendMode::Redis)
        .default_ttl(Duration::from_secs(3600))
        .build()
        .await
        .expect("a cache");
    // The first node is the one that things happen to.
    let own = keys(&cluster, |owners| owners.iter().all(|owner| *owner == 0));
    let others = keys(&cluster, |owners| owners.iter().all(|owner| *owner != 0));
    let bench = Bench { cache, own, others };
    bench.fill().await;
    let undisturbed = bench.row("nothing happens", None, async || ()).await;
    let node = &cluster.nodes()[0];
    bench
        .row("it is dead", Some(undisturbed), async || node.kill())
        .await;
    bench
        .row("it is started again", Some(undisturbed), async || {
            tokio::task::block_in_place(|| node.restart());
        })
        .await;
    bench.fill().await;
    bench
        .row("it hangs", Some(undisturbed), async || node.pause())
        .await;
    bench
        .row("it goes on", Some(undisturbed), async || node.resume())
        .await;
    bench.fill().await;
    let slot = cluster.slot(&format!("app:{}", bench.own[0]));
    bench
        .row("a slot moves to and fro", Some(undisturbed), async || {
            for to in [1, 0].into_iter().cycle().take(10) {
                tokio::task::block_in_place(|| {
                    cluster.begin_to_move(slot, to);
                    cluster.finish_to_move(slot, to);
                });
                // The nodes have to hear of one move before the next.
                tokio::time::sleep(SPAN / 20).await;
            }
        })
        .await;
    bench
        .row("nothing happens any more", Some(undisturbed), async || ())
        .await;
}

/// Keys that depend on certain nodes alone, with the generations of their namespaces.
fn keys(cluster: &RedisCluster, wanted: impl Fn(&[usize; 3]) -> bool) -> Vec<String> {
    let owners = |namespace: &String| {
        let keys = [
            format!("{namespace}:1"),
            format!("%ns:{namespace}"),
            format!("%of:{namespace}"),
        ];
        keys.map(|key| cluster.owner(&format!("app:{key}")))
    };
    let mut namespaces = (0..).map(|n| format!("n{n}"));
    let namespace = namespaces
        .find(|namespace| wanted(&owners(namespace)))
        .expect("one of many");
    let on = |key: &String| {
        let owner = cluster.owner(&format!("app:{key}"));
        wanted(&[owner; 3])
    };
    let keys = (0..).map(|n| format!("{namespace}:{n}"));
    keys.filter(on).take(KEYS).collect()
}

struct Bench {
    cache: CacheManager,
    own: Vec<String>,
    others: Vec<String>,
}

#[derive(Default)]
struct Reads {
    micros: Vec<u32>,
    found: usize,
}

impl Reads {
    fn quantile(&self, part: f64) -> f64 {
        let last = self.micros.len().saturating_sub(1);
        let at = (last as f64 * part) as usize;
        self.micros.get(at).map_or(0.0, |micros| f64::from(*micros))
    }
}

impl Bench {
    /// Stores all that is not there, as soon as it can be stored.
    async fn fill(&self) {
        for key in self.own.iter().chain(&self.others) {
            while self.cache.get::<String>(key).await.is_none() {
                self.cache.set(key, &"a value").await.expect("no error");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    }

    async fn row(&self, name: &str, undisturbed: Option<f64>, happen: impl AsyncFnOnce()) -> f64 {
        let stop = Arc::new(AtomicBool::new(false));
        let mut of_own = JoinSet::new();
        let mut of_others = JoinSet::new();
        for task in 0..READERS {
            of_others.spawn(read(
                self.cache.clone(),
                self.others.clone(),
                task,
                Arc::clone(&stop),
            ));
            of_own.spawn(read(
                self.cache.clone(),
                self.own.clone(),
                task,
                Arc::clone(&stop),
            ));
        }
        let started = Instant::now();
        happen().await;
        tokio::time::sleep(SPAN.saturating_sub(started.elapsed())).await;
        stop.store(true, SeqCst);
        let (own, others) = (all(of_own).await, all(of_others).await);
        let p99 = others.quantile(0.99);
        let compared = undisturbed.map_or(String::new(), |undisturbed| {
            format!("{:+.0} %", (p99 / undisturbed - 1.0) * 100.0)
        });
        println!(
            "| {name} | {} | {} | {:.0} µs | {p99:.0} µs | {compared} | {} | {} | {:.0} µs |",
            others.micros.len(),
            others.micros.len() - others.found,
            others.quantile(0.5),
            own.micros.len(),
            own.found,
            own.quantile(0.99),
        );
        p99
    }
}

async fn all(tasks: JoinSet<Reads>) -> Reads {
    let mut all = Reads::default();
    for reads in tasks.join_all().await {
        all.micros.extend(reads.micros);
        all.found += reads.found;
    }
    all.micros.sort_unstable();
    all
}

async fn read(cache: CacheManager, keys: Vec<String>, task: usize, stop: Arc<AtomicBool>) -> Reads {
    let mut reads = Reads::default();
    let mut keys = keys.iter().cycle().skip(task * 7);
    while !stop.load(SeqCst) {
        let key = keys.next().expect("a cycle");
        let started = Instant::now();
        let value = cache.get::<String>(key).await;
        reads
            .micros
            .push(u32::try_from(started.elapsed().as_micros()).unwrap_or(u32::MAX));
        reads.found += usize::from(value.is_some());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    reads
}
