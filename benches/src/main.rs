//! Measures the attributes of `cache-core` side by side with what else there is.
//!
//! ```sh
//! cargo run --release --manifest-path benches/Cargo.toml -- all
//! ```
//!
//! `hit`, `redis`, `stampede`, `races`, `responses`, `outage`, `invalidate`, `coherence`, `sentinel` and `cluster` run one part; `--rounds N` and
//! `--slice-ms N` change how long. Prints Markdown. What an annotation costs the compiler is measured by `benches/compile.sh`.

#![allow(
    clippy::duplicate_mod,
    reason = "the candidates are the same text for each type of value"
)]

#[cfg(feature = "ours")]
mod cluster;
#[cfg(feature = "ours")]
mod coherence;
mod data;
mod hit;
mod instructions;
#[cfg(feature = "ours")]
mod invalidate;
mod measure;
mod outage;
#[allow(dead_code, reason = "the tests use more of it")]
#[path = "../../tests/support/proxy.rs"]
mod proxy;
mod races;
mod redis;
#[cfg(feature = "ours")]
#[allow(dead_code, reason = "the tests use more of it")]
#[path = "../../tests/support/redis_cluster.rs"]
mod redis_cluster;
#[cfg(feature = "ours")]
#[allow(dead_code, reason = "the tests use more of it")]
#[path = "../../tests/support/redis_sentinels.rs"]
mod redis_sentinels;
#[allow(dead_code, reason = "the tests use more of it")]
#[path = "../../tests/support/redis_server.rs"]
mod redis_server;
mod responses;
#[cfg(feature = "ours")]
mod sentinel;
mod stampede;
mod table;

use std::process::ExitCode;
use std::time::Duration;

use table::Effort;

#[global_allocator]
static ALLOCATOR: measure::CountingAllocator = measure::CountingAllocator;

const USAGE: &str = "usage: benches all | hit [small | arc] | redis | stampede | races | responses | outage | invalidate | coherence | sentinel | cluster  [--rounds N] [--slice-ms N]";

/// The command line.
pub struct Options {
    words: Vec<String>,
    rounds: Option<usize>,
    slice: Option<Duration>,
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Option<Self> {
        let mut options = Self {
            words: Vec::new(),
            rounds: None,
            slice: None,
        };
        while let Some(word) = arguments.next() {
            match word.as_str() {
                "--rounds" => options.rounds = Some(arguments.next()?.parse().ok().filter(|it| *it > 0)?),
                "--slice-ms" => options.slice = Some(Duration::from_millis(arguments.next()?.parse().ok()?)),
                _ => options.words.push(word),
            }
        }
        Some(options)
    }

    /// The word at this place, after the command.
    pub fn word(&self, at: usize) -> Option<&str> {
        self.words.get(at).map(String::as_str)
    }

    /// What was asked for, else this much.
    pub fn effort(&self, rounds: usize, slice_ms: u64) -> Effort {
        Effort {
            rounds: self.rounds.unwrap_or(rounds),
            slice: self.slice.unwrap_or(Duration::from_millis(slice_ms)),
        }
    }
}

fn main() -> ExitCode {
    let Some(options) = Options::parse(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::FAILURE;
    };
    match options.word(0) {
        Some("all") => {
            machine();
            hit::run(&options);
            redis::run(&options);
            stampede::run(&options);
            races::run(&options);
            responses::run(&options);
            outage::run(&options);
            #[cfg(feature = "ours")]
            {
                invalidate::run(&options);
                coherence::run(&options);
                sentinel::run(&options);
                cluster::run(&options);
            }
        }
        Some("hit") => hit::run(&options),
        Some("redis") => redis::run(&options),
        // One process for each table: clients belong to the runtime that they were made on.
        Some("redis-table") => redis::table(&options),
        // What this program runs under callgrind.
        Some("hit-instructions") => hit::instructions(&options),
        Some("stampede") => stampede::run(&options),
        #[cfg(feature = "ours")]
        Some("invalidate") => invalidate::run(&options),
        #[cfg(feature = "ours")]
        Some("coherence") => coherence::run(&options),
        // The process that hears of invalidations.
        #[cfg(feature = "ours")]
        Some("coherence-process") => coherence::process(&options),
        Some("responses") => responses::run(&options),
        // What this program runs under callgrind, and who asks it.
        Some("responses-instructions") => responses::instructions(),
        Some("responses-client") => responses::client(&options),
        Some("outage") => outage::run(&options),
        Some("outage-row") => outage::row(&options),
        #[cfg(feature = "ours")]
        Some("sentinel") => sentinel::run(&options),
        #[cfg(feature = "ours")]
        Some("cluster") => cluster::run(&options),
        Some("races") => races::run(&options),
        // One of the processes that share a Redis.
        Some("races-process") => races::process(&options),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// Says what it runs on.
fn machine() {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    println!(
        "{cores} × {}, {}",
        model.unwrap_or("unknown processor"),
        std::env::consts::OS
    );
}
