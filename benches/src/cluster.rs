//! What a node of a cluster costs the others: one that is killed, started again, hung, and a slot that moves.
//!
//! Reads of entries on one node, and of entries that depend on the two others alone, each begun in its time whether or not those
//! before it have ended, and so few that nobody waits for a processor. A p99 wanders by itself, so what happens alternates with
//! short slices in which nothing does, and of the p99s of all slices of a kind the median counts, which a slice in which the
//! machine did something else does not move. Beside it stands how far apart undisturbed slices are, drawn from the same run.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cache_core::{BackendMode, CacheManager};
use tokio::runtime::{Builder, Runtime};

use crate::Options;
use crate::redis_cluster::RedisCluster;
use crate::table::{Effort, quantile};

const KEYS: usize = 64;
/// Between two reads of the others, and of the node.
const PACES: [Duration; 2] = [Duration::from_micros(1000), Duration::from_micros(4000)];
/// What is not counted at first.
const WARM_UP: Duration = Duration::from_secs(3);
/// Between two moves of the slot.
const MOVES: Duration = Duration::from_millis(400);
/// How often undisturbed slices are drawn to be held against the rest of them.
const DRAWS: usize = 400;

/// What happens, in this order.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Nothing,
    Dead,
    Restarted,
    Hangs,
    GoesOn,
    Moves,
}

use Kind::{Dead, GoesOn, Hangs, Moves, Nothing, Restarted};

const KINDS: [(Kind, &str); 6] = [
    (Nothing, "nothing happens"),
    (Dead, "it is dead"),
    (Restarted, "it is started again, empty"),
    (Hangs, "it hangs"),
    (GoesOn, "it goes on"),
    (Moves, "a slot moves to and fro"),
];

/// Prints the table.
pub fn run(options: &Options) {
    let Effort { rounds, slice } = options.effort(10, 2000);
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let cluster = RedisCluster::start();
    let builder = CacheManager::builder()
        .redis_url(cluster.url())
        .backend(BackendMode::Redis)
        .default_ttl(Duration::from_secs(3600));
    let cache = runtime.block_on(builder.build()).expect("a cache");
    // The first node is the one that things happen to.
    let own = keys(&cluster, |owners| owners.iter().all(|owner| *owner == 0));
    let others = keys(&cluster, |owners| owners.iter().all(|owner| *owner != 0));
    let bench = Bench {
        slot: cluster.slot(&format!("app:{}", own[0])),
        cluster,
        runtime,
        cache,
        keys: [others, own],
        slice,
        shared: Arc::default(),
    };
    bench.print(rounds);
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

/// The reads of one slice: of the others, and of the node.
type Slice = [Reads; 2];

#[derive(Default, Clone)]
struct Reads {
    micros: Vec<u32>,
    found: usize,
}

impl Reads {
    fn add(&mut self, other: &Self) {
        self.micros.extend(&other.micros);
        self.found += other.found;
    }

    fn quantile(&mut self, part: f64) -> f64 {
        let last = self.micros.len().saturating_sub(1);
        let at = (last as f64 * part) as usize;
        if self.micros.is_empty() {
            return 0.0;
        }
        f64::from(*self.micros.select_nth_unstable(at).1)
    }
}

/// Where reads are counted. The first slice is for those that are not.
struct Shared {
    slices: Mutex<Vec<Slice>>,
    current: AtomicUsize,
    stop: AtomicBool,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            slices: Mutex::new(vec![Slice::default()]),
            current: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
        }
    }
}

struct Bench {
    cluster: RedisCluster,
    runtime: Runtime,
    cache: CacheManager,
    /// Those of the others, and those of the node.
    keys: [Vec<String>; 2],
    slot: usize,
    slice: Duration,
    shared: Arc<Shared>,
}

impl Bench {
    fn print(&self, rounds: usize) {
        self.settle();
        let slices: Vec<(Kind, Slice)> = std::thread::scope(|scope| {
            for which in [0, 1] {
                scope.spawn(move || self.read_on(which));
            }
            std::thread::sleep(WARM_UP);
            let slices = (0..rounds).flat_map(|_| self.round()).collect();
            self.shared.stop.store(true, SeqCst);
            slices
        });
        println!("\n## Cluster: what one node costs the others\n");
        println!(
            "{rounds} rounds of slices of {} ms. What counts is the median of the p99s of all slices of a kind.\n",
            self.slice.as_millis()
        );
        println!(
            "| while | reads of the others | not found | p50 | p99 of all | median p99 | to undisturbed | reads of the node | found | p99 |"
        );
        println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
        let of = |kind: Kind| -> Vec<&Slice> {
            let of_kind = slices.iter().filter(|(other, _)| *other == kind);
            of_kind.map(|(_, slice)| slice).collect()
        };
        let quiet = of(Nothing);
        let undisturbed = median_p99(&quiet);
        for (kind, name) in KINDS {
            let slices = of(kind);
            let [mut others, mut own] = [0, 1].map(|which| pool(&slices, which));
            let [p50, p99, p99_of_own] = [others.quantile(0.5), others.quantile(0.99), own.quantile(0.99)];
            let median = median_p99(&slices);
            let compared = if kind == Nothing {
                String::new()
            } else {
                format!("{:+.0} %", (median / undisturbed - 1.0) * 100.0)
            };
            println!(
                "| {name} | {} | {} | {p50:.0} µs | {p99:.0} µs | {median:.0} µs | {compared} | {} | {} | {p99_of_own:.0} µs |",
                others.micros.len(),
                others.micros.len() - others.found,
                own.micros.len(),
                own.found,
            );
        }
        let (least, most) = by_chance(&quiet, rounds);
        println!(
            "\n{rounds} undisturbed slices, drawn at random, are {least:+.0} % to {most:+.0} % from the rest of the undisturbed \
             ones in 95 of 100 draws."
        );
    }

    /// All that happens, each between slices in which nothing does.
    fn round(&self) -> Vec<(Kind, Slice)> {
        let node = &self.cluster.nodes()[0];
        let mut slices = vec![(Nothing, self.count(|| ()))];
        node.kill();
        slices.push((Dead, self.count(|| ())));
        // That the machine starts a process is not what is looked at.
        node.restart();
        slices.push((Restarted, self.count(|| ())));
        self.settle();
        slices.push((Nothing, self.count(|| ())));
        node.pause();
        slices.push((Hangs, self.count(|| ())));
        node.resume();
        slices.push((GoesOn, self.count(|| ())));
        self.settle();
        slices.push((Nothing, self.count(|| ())));
        let until = Instant::now() + self.slice;
        let move_on = || {
            for to in [1, 0].into_iter().cycle() {
                if Instant::now() + MOVES > until && to == 1 {
                    break;
                }
                self.cluster.begin_to_move(self.slot, to);
                self.cluster.finish_to_move(self.slot, to);
                // The nodes have to hear of one move before the next.
                std::thread::sleep(MOVES);
            }
        };
        slices.push((Moves, self.count(move_on)));
        self.settle();
        slices
    }

    /// Counts the reads that begin within a slice, and at least until `happen` is over.
    fn count(&self, happen: impl FnOnce()) -> Slice {
        let started = Instant::now();
        let number = {
            let mut slices = self.shared.slices.lock().expect("not poisoned");
            slices.push(Slice::default());
            slices.len() - 1
        };
        self.shared.current.store(number, SeqCst);
        happen();
        std::thread::sleep(self.slice.saturating_sub(started.elapsed()));
        self.shared.current.store(0, SeqCst);
        // The last of them are still under way.
        std::thread::sleep(Duration::from_millis(200));
        std::mem::take(&mut self.shared.slices.lock().expect("not poisoned")[number])
    }

    /// Waits until the nodes agree, stores all that is not there, and gives them a moment.
    fn settle(&self) {
        self.cluster.wait_until_whole();
        self.runtime.block_on(async {
            for key in self.keys.iter().flatten() {
                while self.cache.get::<String>(key).await.is_none() {
                    self.cache.set(key, &"a value").await.expect("no error");
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
        });
        std::thread::sleep(Duration::from_millis(500));
    }

    /// Begins reads, each in its time.
    fn read_on(&self, which: usize) {
        let mut due = Instant::now();
        for key in self.keys[which].iter().cycle() {
            if self.shared.stop.load(SeqCst) {
                return;
            }
            due += PACES[which];
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let (cache, key, shared) = (self.cache.clone(), key.clone(), Arc::clone(&self.shared));
            let number = shared.current.load(SeqCst);
            let begun = Instant::now();
            self.runtime.spawn(async move {
                let found = cache.get::<String>(&key).await.is_some();
                let micros = u32::try_from(begun.elapsed().as_micros()).unwrap_or(u32::MAX);
                if number > 0 {
                    let reads = &mut shared.slices.lock().expect("not poisoned")[number][which];
                    reads.micros.push(micros);
                    reads.found += usize::from(found);
                }
            });
        }
    }
}

fn pool(slices: &[&Slice], which: usize) -> Reads {
    let mut all = Reads::default();
    for slice in slices {
        all.add(&slice[which]);
    }
    all
}

fn median_p99(slices: &[&Slice]) -> f64 {
    let p99 = |slice: &&Slice| slice[0].clone().quantile(0.99);
    quantile(slices.iter().map(p99), 0.5)
}

/// In percent, how far so many slices are from the rest, which differ in nothing: at least and at most, in 95 of 100 draws.
fn by_chance(slices: &[&Slice], count: usize) -> (f64, f64) {
    let mut slices = slices.to_vec();
    let mut state = 1_u64;
    let draws = (0..DRAWS).map(|_| {
        for at in 0..count {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let from = at + (state >> 33) as usize % (slices.len() - at);
            slices.swap(at, from);
        }
        let (drawn, rest) = slices.split_at(count);
        (median_p99(drawn) / median_p99(rest) - 1.0) * 100.0
    });
    let draws: Vec<f64> = draws.collect();
    let at = |part| quantile(draws.iter().copied(), part);
    (at(0.025), at(0.975))
}
