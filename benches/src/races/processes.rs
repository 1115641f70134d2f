//! A cold key in a Redis that several processes share.
//!
//! Each process is this program. It says `ready` when it has been through Redis once, calls when it is told `go`, and
//! then says how many had an answer, after how many milliseconds the last had it, and how often the loader ran.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use super::callers::Callers;
use super::source::source;
use super::{Library, REDIS};
use crate::redis_server::RedisServer;

const PROCESSES: usize = 4;

/// How many call in each process.
const CALLERS: usize = 250;

const KEY: u64 = 0;

/// After how long a caller without an answer hangs.
const DEADLINE: Duration = Duration::from_secs(2);

/// After how long a process ends, whatever it waits for.
const LIFETIME: Duration = Duration::from_secs(10);

/// What the race is called.
pub const ROW: &str = "1000 callers of a cold key in 4 processes, one Redis: answers";

/// Runs the race for the library of this name.
pub fn race(name: &str) -> String {
    let server = RedisServer::start();
    let mut processes: Vec<_> = (0..PROCESSES)
        .map(|_| Process::start(name, &server.url()))
        .collect();
    for process in &mut processes {
        assert_eq!(process.line(), "ready", "a process of {name}");
    }
    for process in &mut processes {
        process.go();
    }
    let (mut answered, mut last, mut runs) = (0, 0, 0);
    for process in &mut processes {
        let line = process.line();
        let numbers: Vec<u64> = line.split(' ').filter_map(|it| it.parse().ok()).collect();
        let [its_answered, its_last, its_runs] = numbers[..] else {
            panic!("a process of {name} said {line:?}")
        };
        answered += its_answered;
        last = last.max(its_last);
        runs += its_runs;
    }
    let callers = (PROCESSES * CALLERS) as u64;
    let hangs = match answered {
        _ if answered == callers => String::new(),
        _ => format!("hangs (> {} s): ", DEADLINE.as_secs()),
    };
    let plural = if runs == 1 { "" } else { "s" };
    format!("{hangs}{answered} of {callers} in {last} ms, {runs} run{plural}")
}

struct Process {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Process {
    fn start(name: &str, url: &str) -> Self {
        let program = std::env::current_exe().expect("this program has a path");
        let mut child = Command::new(program)
            .args(["races-process", name, url])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program starts");
        let output = child.stdout.take().expect("it was asked for");
        Self {
            child,
            output: BufReader::new(output),
        }
    }

    fn go(&mut self) {
        let input = self.child.stdin.as_mut().expect("it was asked for");
        writeln!(input, "go").expect("the process reads");
    }

    /// The next line that it prints; empty when it has ended.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("lines are text");
        line.trim_end().to_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Is one of the processes.
pub fn run<L: Library>(url: &str) {
    std::thread::spawn(|| {
        std::thread::sleep(LIFETIME);
        std::process::exit(1);
    });
    REDIS.set(url.to_owned()).expect("set once");
    let runtime = super::runtime();
    runtime.block_on(async {
        L::prepare().await;
        L::shared(u64::from(std::process::id())).await;
    });
    println!("ready");
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).expect("lines are text");
    let answers = runtime.block_on(async {
        let start = Instant::now();
        let callers = Callers::start(CALLERS, || L::shared(KEY));
        callers.answers(start, DEADLINE).await
    });
    assert!(
        answers.values.iter().all(|it| *it == 1),
        "{} gives values",
        L::NAME
    );
    println!(
        "{} {} {}",
        answers.values.len(),
        answers.last.as_millis(),
        source(KEY).runs()
    );
    runtime.shutdown_background();
}
