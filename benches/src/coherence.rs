//! How long an invalidation in one process takes until another process refuses its copy in memory, idle and under load; and
//! how old a copy gets that is served while nothing is heard.
//!
//! The other process is this program once more. It reads without a pause, and tells when it was first refused, by a clock
//! that both processes share.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use cache_core::CacheManager;
use tokio::runtime::{Builder, Runtime};

use crate::Options;
use crate::measure::monotonic;
use crate::proxy::Proxy;
use crate::redis_server::RedisServer;
use crate::table::quantile;

const TIMES: usize = 10_000;
/// Tasks in each process that read and invalidate other keys, where there is load.
const TASKS: u64 = 16;
/// How long the listener is cut off, and how long memory may serve meanwhile.
const CUT: Duration = Duration::from_secs(5);
const DEGRADED: Duration = Duration::from_secs(1);

fn runtime() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime")
}

async fn manager(port: u16) -> CacheManager {
    let builder = CacheManager::builder().redis_url(format!("redis://127.0.0.1:{port}/"));
    let builder = builder.degraded_ttl(DEGRADED).memory_ttl(Duration::from_secs(60));
    builder.build().await.expect("the settings are right")
}

/// The other process.
struct Other {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Other {
    fn start(port: u16, loaded: bool) -> Self {
        let program = std::env::current_exe().expect("this program has a path");
        let mut child = Command::new(program)
            .args(["coherence-process", &port.to_string(), &loaded.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program runs");
        let input = child.stdin.take().expect("a pipe");
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        Self { child, input, output }
    }

    fn say(&mut self, line: &str) {
        writeln!(self.input, "{line}").expect("the other process listens");
    }

    fn hear(&mut self) -> String {
        let mut line = String::new();
        self.output
            .read_line(&mut line)
            .expect("the other process answers");
        line.trim().to_owned()
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Prints the tables.
pub fn run(_: &Options) {
    println!("\n## An invalidation in another process\n");
    println!(
        "From its return in one process to the first call that is refused in the other, {TIMES} times.\n"
    );
    println!("| | p50 | p99 | longest | from its beginning: p50 | p99 |");
    println!("|---|--:|--:|--:|--:|--:|");
    for loaded in [false, true] {
        let server = RedisServer::start();
        let runtime = runtime();
        let (mut after, mut whole) = runtime.block_on(invalidate(server.port(), loaded));
        after.sort_by(f64::total_cmp);
        whole.sort_by(f64::total_cmp);
        let at = |times: &[f64], part| quantile(times.iter().copied(), part);
        println!(
            "| {} | {:.2} ms | {:.2} ms | {:.2} ms | {:.2} ms | {:.2} ms |",
            if loaded { "under load" } else { "idle" },
            at(&after, 0.5),
            at(&after, 0.99),
            at(&after, 1.0),
            at(&whole, 0.5),
            at(&whole, 0.99),
        );
        runtime.shutdown_background();
    }
    let (oldest, versions) = runtime().block_on(cut());
    println!(
        "\nWith its listener cut off for {CUT:?} and `degraded_ttl` at {DEGRADED:?}, the other process served nothing that \
         had been replaced for longer than {oldest:.0} ms ({versions} versions were)."
    );
}

async fn load(cache: CacheManager) {
    for task in 0..TASKS {
        let cache = cache.clone();
        tokio::spawn(async move {
            for n in (task..).step_by(7) {
                let key = format!("load:{}", n % 512);
                let fetch = cache.get_or_fetch(key.clone(), || async move { Ok::<_, String>(n) });
                fetch.await.expect("the loader does not fail");
                if n % 16 == 0 {
                    cache.delete(key).await;
                }
                tokio::time::sleep(Duration::from_micros(500)).await;
            }
        });
    }
}

/// Milliseconds from the return, and from the beginning, of each invalidation.
async fn invalidate(port: u16, loaded: bool) -> (Vec<f64>, Vec<f64>) {
    let mut other = Other::start(port, loaded);
    let cache = manager(port).await;
    if loaded {
        load(cache.clone()).await;
    }
    let (mut after, mut whole) = (Vec::with_capacity(TIMES), Vec::with_capacity(TIMES));
    for n in 0..TIMES {
        let key = format!("key:{}", n % 64);
        cache.set(key.clone(), &n).await.expect("stored");
        other.say(&format!("until-refused {key}"));
        assert_eq!(other.hear(), "has it");
        let begun = monotonic();
        cache.delete(key).await;
        let returned = monotonic();
        let refused = Duration::from_nanos(other.hear().parse().expect("a time"));
        let since = |then: Duration| refused.saturating_sub(then).as_secs_f64() * 1e3;
        after.push(since(returned));
        whole.push(since(begun));
    }
    (after, whole)
}

/// How long ago a version had been replaced that was served, in milliseconds, at most; and how many were.
async fn cut() -> (f64, usize) {
    let server = RedisServer::start();
    let proxy = Proxy::to(server.port());
    let mut other = Other::start(proxy.port(), false);
    let cache = manager(server.port()).await;
    cache.set("key", &0_u64).await.expect("stored");
    other.say("watch key");
    assert_eq!(other.hear(), "has it");
    // Nothing reaches the other process, whatever connection it makes.
    proxy.swallow_all();
    let begun = Instant::now();
    let mut replaced = HashMap::new();
    for version in 1_u64.. {
        cache.set("key", &version).await.expect("stored");
        replaced.insert(version - 1, monotonic());
        tokio::time::sleep(Duration::from_millis(20)).await;
        if begun.elapsed() > CUT {
            break;
        }
    }
    proxy.heal();
    other.say("stop");
    let (mut oldest, mut versions) = (0.0_f64, 0);
    loop {
        let line = other.hear();
        let Some((version, served)) = line.split_once(' ') else {
            break;
        };
        let version: u64 = version.parse().expect("a version");
        let served = Duration::from_nanos(served.parse().expect("a time"));
        if let Some(replaced) = replaced.get(&version) {
            oldest = oldest.max(served.saturating_sub(*replaced).as_secs_f64() * 1e3);
            versions += 1;
        }
    }
    (oldest, versions)
}

/// The other process: does what it reads.
pub fn process(options: &Options) {
    let port = options.word(1).and_then(|it| it.parse().ok()).expect("a port");
    let loaded = options.word(2) == Some("true");
    let runtime = runtime();
    let (orders, mut to_do) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            let _ = orders.send(line);
        }
        std::process::exit(0);
    });
    runtime.block_on(async move {
        let cache = manager(port).await;
        if loaded {
            load(cache.clone()).await;
        }
        while let Some(order) = to_do.recv().await {
            let (word, key) = order.split_once(' ').expect("an order and a key");
            while cache.get::<u64>(key).await.is_none() {}
            println!("has it");
            if word == "until-refused" {
                println!("{}", until_refused(&cache, key).await.as_nanos());
                continue;
            }
            let mut served = HashMap::new();
            while to_do.try_recv().is_err() {
                let asked = monotonic();
                if let Some(version) = cache.get::<u64>(key).await {
                    served.insert(version, asked);
                }
                tokio::task::yield_now().await;
            }
            for (version, last) in served {
                println!("{version} {}", last.as_nanos());
            }
            println!("over");
        }
    });
}

/// When a call began that got nothing.
async fn until_refused(cache: &CacheManager, key: &str) -> Duration {
    loop {
        let asked = monotonic();
        if cache.get::<u64>(key).await.is_none() {
            return asked;
        }
        tokio::task::yield_now().await;
    }
}
