//! What a call waits for a Redis that is not there: refused, hung, or behind a network that swallows everything.
//!
//! Each candidate works first; then the fault begins, and one caller goes on calling: [`OPENING`] calls in which a candidate may
//! find out, then those that count, one after a pause each, on processors that have slept meanwhile, and at last without a pause.
//! The function itself takes no time, so all that is measured is added by the cache. A wait is cut off after [`LONGEST`], and a
//! candidate after [`WHOLE`].

#[path = "outage/candidates.rs"]
mod candidates;

use std::process::Command;
use std::time::{Duration, Instant};

use tokio::runtime::Builder;

use crate::Options;
use crate::proxy::Proxy;
use crate::redis_server::RedisServer;
use crate::table::quantile;
use candidates::{CANDIDATES, Candidate};

/// After this, nobody waits any longer.
const LONGEST: Duration = Duration::from_secs(3);
/// What one candidate may take during one fault.
const WHOLE: Duration = Duration::from_secs(12);
/// The calls that a breaker may need to open.
const OPENING: usize = 10;
/// The calls after that with a pause before each.
const PACED: usize = 4_000;
/// Between two of them.
const PAUSE: Duration = Duration::from_millis(1);
/// The calls after those, without pauses.
const DENSE: usize = 40_000;

const FAULTS: [&str; 3] = ["refused", "hung", "black-holed"];

/// Prints all tables, each row from a process of its own.
pub fn run(_: &Options) {
    let program = std::env::current_exe().expect("this program has a path");
    for fault in FAULTS {
        println!("\n#### Redis {fault}: what a call waits\n");
        println!(
            "One caller: {OPENING} calls to find out, then {PACED} with {PAUSE:?} between two, then {DENSE} without. A wait is cut \
             off after {LONGEST:?}, and a candidate after {WHOLE:?}.\n"
        );
        println!(
            "| candidate | first call | slowest of {OPENING} | then p50 | p99 | longest | without pauses p50 | p99 | calls | \
             errors | cut off |"
        );
        println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
        for candidate in CANDIDATES {
            let status = Command::new(&program)
                .args(["outage-row", fault, candidate.name])
                .status();
            assert!(
                status.as_ref().is_ok_and(|it| it.success()),
                "{fault}, {}: {status:?}",
                candidate.name
            );
        }
    }
}

/// Prints one row.
pub fn row(options: &Options) {
    let (Some(fault), Some(name)) = (options.word(1), options.word(2)) else {
        panic!("usage: outage-row FAULT CANDIDATE")
    };
    let candidate = CANDIDATES.iter().find(|it| it.name == name);
    let candidate = candidate.unwrap_or_else(|| panic!("no candidate is called `{name}`"));
    let server = RedisServer::start();
    let proxy = Proxy::to(server.port());
    // A proxy accepts before it knows that it is refused.
    let port = if fault == "refused" {
        server.port()
    } else {
        proxy.port()
    };
    candidates::URL
        .set(format!("redis://127.0.0.1:{port}/"))
        .expect("set once");
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        for id in 0..64 {
            assert!((candidate.call)(id).await, "it works without a fault");
        }
        match fault {
            "refused" => server.kill(),
            "hung" => server.pause(),
            "black-holed" => proxy.swallow_all(),
            _ => panic!("no fault is called `{fault}`"),
        }
        measure(candidate).await;
    });
    // What still waits is not waited for.
    runtime.shutdown_background();
}

/// What became of the calls of one phase.
#[derive(Default)]
struct Phase {
    /// In microseconds.
    times: Vec<f64>,
    errors: usize,
    cut_off: usize,
}

impl Phase {
    fn at(&self, part: f64) -> String {
        if self.times.is_empty() {
            return "-".to_owned();
        }
        let micros = quantile(self.times.iter().copied(), part);
        if micros < 1_000.0 {
            format!("{micros:.0} µs")
        } else {
            format!("{:.1} ms", micros / 1_000.0)
        }
    }

    /// As many calls, unless it is late before.
    async fn of(calls: usize, pause: Option<Duration>, until: Instant, candidate: &Candidate) -> Self {
        let mut phase = Self::default();
        for n in 0..calls {
            if Instant::now() > until {
                break;
            }
            if let Some(pause) = pause {
                tokio::time::sleep(pause).await;
            }
            let started = Instant::now();
            let call = candidate.call;
            // A task of its own, so that a wait which blocks its thread can be given up as well. It looks at the clock itself,
            // as starting a task takes longer than some of what is measured.
            let task = tokio::spawn(async move {
                let started = Instant::now();
                let came = call(n as u64 % 64).await;
                (came, started.elapsed())
            });
            let took = match tokio::time::timeout(LONGEST, task).await {
                Ok(Ok((came, took))) => {
                    phase.errors += usize::from(!came);
                    took
                }
                Ok(Err(_)) => {
                    phase.errors += 1;
                    started.elapsed()
                }
                Err(_) => {
                    phase.cut_off += 1;
                    started.elapsed()
                }
            };
            phase.times.push(took.as_secs_f64() * 1e6);
        }
        phase
    }
}

async fn measure(candidate: &Candidate) {
    let until = Instant::now() + WHOLE;
    let first = Phase::of(1, None, until, candidate).await;
    let opening = Phase::of(OPENING - 1, Some(PAUSE), until, candidate).await;
    let paced = Phase::of(PACED, Some(PAUSE), until, candidate).await;
    let dense = Phase::of(DENSE, None, until, candidate).await;
    let all = [&first, &opening, &paced, &dense];
    let sum = |of: fn(&Phase) -> usize| all.iter().map(|phase| of(phase)).sum::<usize>();
    println!(
        "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
        candidate.name,
        first.at(0.5),
        opening.at(1.0),
        paced.at(0.5),
        paced.at(0.99),
        paced.at(1.0),
        dense.at(0.5),
        dense.at(0.99),
        sum(|phase| phase.times.len()),
        sum(|phase| phase.errors),
        sum(|phase| phase.cut_off),
    );
}
