//! A process under load: tasks that read and tasks that change, and each value held against what is known.
//! Orders come in on stdin, one a line; what happens goes out on stdout. It ends with its stdin.

use std::io::{BufRead, Write};
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{LazyLock, Mutex, OnceLock};
use std::time::{Duration, Instant};

use cache_core::{BackendMode, CacheManager, HealthStatus};
use tokio::io::AsyncBufReadExt;
use tokio::task::JoinSet;

use crate::functions::{Change, IDS, KEYS, TRUTH, Value, call, is_slow, may_fail, random, text_of};
use crate::row::Live;
use crate::truth::{Mark, Versions};

const READERS: usize = 8;
const CHANGERS: usize = 2;
pub(crate) const MOST_ROWS: usize = 64;
/// A call that takes longer has failed.
const HANGS: Duration = Duration::from_secs(20);
/// When an invalidation has not reached Redis for so long, that is told.
const LATE: Duration = Duration::from_secs(1);
/// When a call takes longer than its budget and what a busy machine takes, that is told.
const SLOW: Duration = Duration::from_millis(250);

static WRITER: OnceLock<usize> = OnceLock::new();
static ROWS: LazyLock<Vec<Live>> = LazyLock::new(|| (0..MOST_ROWS).map(|_| Live::default()).collect());
static ROW: AtomicUsize = AtomicUsize::new(0);
/// In microseconds: how old a value may be that another process has invalidated, counted from when Redis had taken it, and
/// from when the call that did it had returned. 0 for no bound.
static BOUND: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];
/// Since when the bounds hold.
static STAGED: AtomicU64 = AtomicU64::new(0);
/// What was invalidated here, so that nothing older is read here again.
static FLOOR: [AtomicU64; KEYS] = [const { AtomicU64::new(0) }; KEYS];
/// What was invalidated here and may still have to be sent.
static UNTOLD: Mutex<Vec<(usize, u64)>> = Mutex::new(Vec::new());
/// What had been invalidated, by whomever, when it was asked to mark it.
static MARKED: Mutex<Vec<Versions>> = Mutex::new(Vec::new());
static CLOCK: OnceLock<(Instant, u64)> = OnceLock::new();

fn writer() -> usize {
    *WRITER.get().expect("set at the start")
}

fn row() -> &'static Live {
    &ROWS[ROW.load(SeqCst)]
}

/// Microseconds by the clock of the coordinator.
fn now() -> u64 {
    let (at, micros) = CLOCK.get().expect("set at the start");
    micros + at.elapsed().as_micros() as u64
}

fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// Asks the coordinator for its time, and takes the answer that came soonest.
fn learn_the_time() {
    let mut best = Duration::MAX;
    let mut clock = (Instant::now(), 0);
    let mut input = std::io::stdin().lock();
    for _ in 0..10 {
        let asked = Instant::now();
        say("time?");
        let mut line = String::new();
        input.read_line(&mut line).expect("an answer");
        let took = asked.elapsed();
        if took < best {
            best = took;
            clock = (asked + took / 2, line.trim().parse().expect("microseconds"));
        }
    }
    CLOCK.set(clock).expect("set once");
}

/// What a call may not be older than, and by what it is judged.
struct Before {
    at: u64,
    floor: u64,
    row: usize,
    bounds: [u64; 2],
    staged: u64,
}

impl Before {
    fn a_call_of(key: usize) -> Self {
        Self {
            floor: FLOOR[key].load(SeqCst),
            row: ROW.load(SeqCst),
            bounds: [BOUND[0].load(SeqCst), BOUND[1].load(SeqCst)],
            staged: STAGED.load(SeqCst),
            at: now(),
        }
    }

    fn judge(&self, key: usize, value: &Value, how: &str) {
        let row = &ROWS[self.row];
        let wrong = |why: &str| {
            row.wrong.fetch_add(1, SeqCst);
            say(&format!("wrong {} {} by {how}: {why}", self.row, text_of(key)));
        };
        if value.key != key {
            return wrong(&format!("it is the value of {}", text_of(value.key)));
        }
        let written = TRUTH.versions(key, Mark::Written);
        for (part, (version, written)) in value.versions.into_iter().zip(written).enumerate() {
            if version > written {
                wrong(&format!("{version} was never written"));
            }
            if part == writer() && version < self.floor {
                let mine = self.floor;
                wrong(&format!(
                    "{version} in the process that has invalidated it, which is at {mine}"
                ));
            }
            for (mark, bound) in [(Mark::Told, self.bounds[0]), (Mark::Returned, self.bounds[1])] {
                let Some(since) = TRUTH
                    .since(key, part, version, mark)
                    .filter(|since| *since < self.at)
                else {
                    continue;
                };
                let age = self.at - since;
                if matches!(mark, Mark::Returned) && part != writer() {
                    row.behind(age);
                }
                // What waited to be sent when Redis went could be read from it until then.
                let judged = match mark {
                    Mark::Returned => age.min(self.at.saturating_sub(self.staged)),
                    _ => age,
                };
                if bound > 0 && judged > bound {
                    let kind = if matches!(mark, Mark::Told) {
                        "told"
                    } else {
                        "made"
                    };
                    let last = TRUTH.versions(key, mark)[part];
                    wrong(&format!(
                        "{version} of writer {part}, whose invalidation was {kind} {} ms ago, up to {last}",
                        age / 1000
                    ));
                }
            }
        }
    }
}

/// Counts how long a call took.
fn took(number: usize, started: Instant, key: usize, how: &str) {
    let took = started.elapsed();
    ROWS[number].took(took);
    if took > SLOW {
        let millis = took.as_millis();
        say(&format!("slow {number} {} by {how}: {millis} ms", text_of(key)));
    }
}

async fn read_one(cache: &CacheManager) {
    let key = random(KEYS);
    let before = Before::a_call_of(key);
    let row = &ROWS[before.row];
    row.calls.fetch_add(1, SeqCst);
    let started = Instant::now();
    match random(10) {
        0 => {
            if let Some(value) = cache.get::<Value>(text_of(key)).await {
                before.judge(key, &value, "get");
            }
            took(before.row, started, key, "get");
        }
        1 => {
            let keys: Vec<usize> = (key / IDS * IDS..(key / IDS + 1) * IDS).step_by(9).collect();
            let all: Vec<Before> = keys.iter().map(|key| Before::a_call_of(*key)).collect();
            let texts: Vec<String> = keys.iter().map(|key| text_of(*key)).collect();
            let values = cache.get_many::<Value>(&texts).await;
            took(before.row, started, key, "get_many");
            for ((key, before), value) in keys.into_iter().zip(all).zip(values) {
                if let Some(value) = value {
                    before.judge(key, &value, "get_many");
                }
            }
        }
        // A caller who leaves.
        2 if random(10) == 0 => {
            let _ = tokio::time::timeout(Duration::from_millis(1), call(cache, key)).await;
        }
        _ => {
            let result = tokio::time::timeout(HANGS, call(cache, key)).await;
            if !is_slow(key) {
                took(before.row, started, key, "call");
            }
            match result {
                Ok(Ok(value)) => before.judge(key, &value, "call"),
                Ok(Err(_)) if may_fail(key) => {}
                Ok(Err(_)) => {
                    row.failed.fetch_add(1, SeqCst);
                    say(&format!("failed {} {}: an error", before.row, text_of(key)));
                }
                Err(_) => {
                    row.failed.fetch_add(1, SeqCst);
                    say(&format!("failed {} {}: it hangs", before.row, text_of(key)));
                }
            }
        }
    }
}

async fn change_one(cache: &CacheManager) {
    let change = Change::any();
    row().changes.fetch_add(1, SeqCst);
    let Ok(made) = tokio::time::timeout(HANGS, change.make(cache, writer())).await else {
        row().failed.fetch_add(1, SeqCst);
        say(&format!("failed {} {change:?}: it hangs", ROW.load(SeqCst)));
        return;
    };
    returned(made);
}

fn returned(made: Vec<(usize, u64)>) {
    let at = now();
    for (key, version) in &made {
        FLOOR[*key].fetch_max(*version, SeqCst);
        TRUTH.mark(*key, writer(), *version, Mark::Returned, at);
    }
    UNTOLD.lock().expect("not poisoned").extend(made);
}

/// Tells of what has returned once Redis has taken it.
async fn tell(cache: CacheManager) {
    let (mut since, mut late) = (Instant::now(), LATE);
    loop {
        let untold = std::mem::take(&mut *UNTOLD.lock().expect("not poisoned"));
        if !untold.is_empty() {
            let health = cache.health().await;
            if health.pending_invalidations == 0 {
                (since, late) = (Instant::now(), LATE);
                let at = now();
                for (key, version) in untold {
                    TRUTH.mark(key, writer(), version, Mark::Told, at);
                }
            } else {
                if since.elapsed() > late {
                    late += LATE;
                    say(&format!("late {} ms {health:?}", since.elapsed().as_millis()));
                }
                UNTOLD.lock().expect("not poisoned").extend(untold);
            }
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Does something again and again, whatever becomes of it.
fn go_on<F: Future<Output = ()> + Send + 'static>(
    cache: &CacheManager,
    times: usize,
    pause: Duration,
    work: impl Fn(CacheManager) -> F + Send + Sync + Clone + 'static,
) {
    let (cache, work) = (cache.clone(), AssertUnwindSafe(work));
    tokio::spawn(async move {
        loop {
            let (cache, work) = (cache.clone(), work.clone());
            let burst = async move {
                for _ in 0..times {
                    work(cache.clone()).await;
                }
            };
            // Panics are counted where they begin.
            let _ = tokio::spawn(burst).await;
            tokio::time::sleep(pause).await;
        }
    });
}

/// What a predecessor that was killed may have left undone: its changes are in the source, and nobody was told.
async fn take_over(cache: &CacheManager) {
    for key in 0..KEYS {
        let [written, told] = [Mark::Written, Mark::Told].map(|mark| TRUTH.versions(key, mark)[writer()]);
        if told < written {
            cache.delete(text_of(key)).await;
            returned(vec![(key, written)]);
        }
    }
}

/// Looks at each key here, and in Redis as a process would that has just been started. Gives those that are older than what
/// was marked.
async fn check(cache: &CacheManager) -> Vec<String> {
    let builder = CacheManager::builder().backend(BackendMode::Redis);
    let fresh = builder.build().await.expect("a cache");
    let mut looks = JoinSet::new();
    for key in 0..KEYS {
        looks.spawn(look(cache.clone(), fresh.clone(), key));
    }
    let old = looks.join_all().await.into_iter().flatten().collect();
    fresh.close().await;
    old
}

async fn look(cache: CacheManager, fresh: CacheManager, key: usize) -> Vec<String> {
    let floor = MARKED.lock().expect("not poisoned")[key];
    let text = text_of(key);
    let values = [
        ("Redis", fresh.get::<Value>(&text).await),
        ("the manager", cache.get::<Value>(&text).await),
        ("the function", call(&cache, key).await.ok()),
    ];
    let mut old = Vec::new();
    for (whose, value) in values {
        let Some(value) = value else { continue };
        for (part, (version, least)) in value.versions.into_iter().zip(floor).enumerate() {
            if version < least {
                old.push(format!(
                    "{text} by {whose}: {version} of writer {part}, who is at {least}"
                ));
            }
        }
    }
    old
}

fn count_panics() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        row().panics.fetch_add(1, SeqCst);
        before(panic);
    }));
}

fn report(number: usize) {
    let row = serde_json::to_string(&ROWS[number].numbers()).expect("numbers");
    say(&format!("count {number} {row}"));
}

/// Waits for an entry that was found in Redis.
async fn first_hit(cache: CacheManager) {
    let (started, before) = (Instant::now(), cache.stats().total.redis_hits);
    while cache.stats().total.redis_hits == before {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    say(&format!("hit {}", started.elapsed().as_millis()));
}

/// `stage ROW TOLD MADE`: what is counted from here on, and the bounds in milliseconds.
fn stage(words: &[&str]) {
    let number = |at: usize| words[at].parse::<u64>().expect("a number");
    ROW.store(number(1) as usize, SeqCst);
    BOUND[0].store(number(2) * 1000, SeqCst);
    BOUND[1].store(number(3) * 1000, SeqCst);
    STAGED.store(now(), SeqCst);
}

async fn obey(cache: &CacheManager, order: &str) {
    let words: Vec<&str> = order.split(' ').collect();
    match words[..] {
        ["stage", ..] => {
            let before = ROW.load(SeqCst);
            stage(&words);
            report(before);
            say("staged");
        }
        ["mark"] => {
            *MARKED.lock().expect("not poisoned") =
                (0..KEYS).map(|key| TRUTH.versions(key, Mark::Returned)).collect();
            say("marked");
        }
        ["heal"] => drop(tokio::spawn(first_hit(cache.clone()))),
        ["health"] => {
            let health = cache.health().await;
            let heard = health.redis.as_ref().is_some_and(|redis| redis.channel);
            let well = health.status == HealthStatus::Healthy && heard;
            say(&format!(
                "health {} {health:?}",
                if well { "well" } else { "ill" }
            ));
        }
        ["check"] => {
            let old = check(cache).await;
            say(&format!("checked {} {}", old.len(), old.join("; ")));
        }
        _ => say(&format!("unknown order `{order}`")),
    }
}

async fn work() {
    let cache = CacheManager::from_env().await.expect("a cache");
    cache.install();
    say("ready");
    tokio::spawn(tell(cache.clone()));
    take_over(&cache).await;
    for _ in 0..READERS {
        go_on(&cache, 10, Duration::from_millis(5), |cache| async move {
            read_one(&cache).await
        });
    }
    for _ in 0..CHANGERS {
        go_on(&cache, 1, Duration::from_millis(40), |cache| async move {
            change_one(&cache).await
        });
    }
    tokio::spawn(async {
        loop {
            let row = ROW.load(SeqCst);
            report(row.saturating_sub(1));
            report(row);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    let mut orders = tokio::io::BufReader::new(tokio::io::stdin()).lines();
    while let Ok(Some(order)) = orders.next_line().await {
        let cache = cache.clone();
        tokio::spawn(async move { obey(&cache, &order).await });
    }
}

/// The process of one writer.
pub(crate) fn run(writer: usize) {
    WRITER.set(writer).expect("set once");
    count_panics();
    learn_the_time();
    let order = std::env::var("CHAOS_STAGE").expect("a stage");
    stage(&order.split(' ').collect::<Vec<_>>());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(work());
    // Nothing is waited for: the run is over.
    std::process::exit(0);
}
