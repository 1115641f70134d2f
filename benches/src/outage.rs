//! What a call waits for a Redis that is not there: refused, hung, or behind a network that swallows everything.
//!
//! Each candidate works first; then the fault begins, and one caller goes on calling. The function itself takes no time, so
//! all that is measured is added by the cache. A wait is cut off after [`LONGEST`], and a candidate after [`WHOLE`].

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
const CALLS: usize = 2_000;
/// Between two calls.
const PAUSE: Duration = Duration::from_millis(1);

const FAULTS: [&str; 3] = ["refused", "hung", "black-holed"];

/// Prints all tables, each row from a process of its own.
pub fn run(_: &Options) {
    let program = std::env::current_exe().expect("this program has a path");
    for fault in FAULTS {
        println!("\n#### Redis {fault}: what a call waits\n");
        println!(
            "One caller, {CALLS} calls; a wait is cut off after {LONGEST:?}, and a candidate after {WHOLE:?}. The last column \
             is of the second half of the calls.\n"
        );
        println!("| candidate | first call | p50 | p99 | longest | calls | errors | cut off | p50 later |");
        println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|");
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

async fn measure(candidate: &Candidate) {
    let begun = Instant::now();
    let (mut times, mut errors, mut cut_off) = (Vec::with_capacity(CALLS), 0, 0);
    for n in 0..CALLS {
        let started = Instant::now();
        let call = candidate.call;
        // A task of its own, so that a wait which blocks its thread can be given up as well. It looks at the clock itself, as
        // starting a task takes longer than some of what is measured.
        let task = tokio::spawn(async move {
            let started = Instant::now();
            let came = call(n as u64 % 64).await;
            (came, started.elapsed())
        });
        match tokio::time::timeout(LONGEST, task).await {
            Ok(Ok((came, took))) => {
                errors += usize::from(!came);
                times.push(took);
            }
            Ok(Err(_)) => {
                errors += 1;
                times.push(started.elapsed());
            }
            Err(_) => {
                cut_off += 1;
                times.push(started.elapsed());
            }
        }
        if begun.elapsed() > WHOLE {
            break;
        }
        tokio::time::sleep(PAUSE).await;
    }
    let at = |times: &[Duration], part: f64| quantile(times.iter().map(|it| it.as_secs_f64() * 1e6), part);
    let told = |micros: f64| {
        if micros < 1_000.0 {
            format!("{micros:.0} µs")
        } else {
            format!("{:.1} ms", micros / 1_000.0)
        }
    };
    println!(
        "| {} | {} | {} | {} | {} | {} | {errors} | {cut_off} | {} |",
        candidate.name,
        told(at(&times[..1], 0.5)),
        told(at(&times, 0.5)),
        told(at(&times, 0.99)),
        told(at(&times, 1.0)),
        times.len(),
        told(at(&times[times.len() / 2..], 0.5)),
    );
}
