//! The other side of `tests/bin/worker.rs`: processes that tests give orders to, over one Redis.

use std::cell::{Cell, RefCell};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use tests::{RedisServer, unique_prefix};

/// How long anything may take that is not being measured.
const DEADLINE: Duration = Duration::from_secs(20);

type Lines = Arc<(Mutex<Vec<String>>, Condvar)>;

/// A process that runs; killed on drop.
pub(crate) struct Worker {
    pub(crate) name: String,
    child: RefCell<Child>,
    input: RefCell<ChildStdin>,
    lines: Lines,
    next: Cell<u32>,
}

/// An order that is not answered yet.
#[must_use]
pub(crate) struct Asked<'a> {
    worker: &'a Worker,
    number: u32,
}

impl Worker {
    /// A process with this name, which its values begin with, under variables of its own.
    pub(crate) fn start(name: &str, variables: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_worker"))
            .env_clear()
            .env("WORKER", name)
            // Other processes share this machine.
            .env("CACHE_OP_BUDGET", "3s")
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the worker runs");
        let input = child.stdin.take().expect("a pipe");
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        let lines = Lines::default();
        let heard = Arc::clone(&lines);
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                heard.0.lock().expect("not poisoned").push(line);
                heard.1.notify_all();
            }
        });
        let worker = Self {
            name: name.to_owned(),
            child: RefCell::new(child),
            input: RefCell::new(input),
            lines,
            next: Cell::new(1),
        };
        worker.until("ready");
        worker
    }

    /// Gives an order, and does not wait.
    pub(crate) fn say(&self, order: &str) -> Asked<'_> {
        let number = self.next.replace(self.next.get() + 1);
        writeln!(self.input.borrow_mut(), "{number} {order}").expect("the worker listens");
        Asked { worker: self, number }
    }

    /// Gives an order, and waits for the answer.
    pub(crate) fn ask(&self, order: &str) -> String {
        self.say(order).answer()
    }

    /// Waits for an event, such as `load item:1`, and gives what it says further. Each is given once.
    pub(crate) fn until(&self, event: &str) -> String {
        let (lines, come) = &*self.lines;
        let started = Instant::now();
        let mut lines = lines.lock().expect("not poisoned");
        loop {
            let found = lines.iter().position(|line| {
                line.strip_prefix(event)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
            });
            if let Some(at) = found {
                return lines.remove(at)[event.len()..].trim().to_owned();
            }
            let left = DEADLINE.saturating_sub(started.elapsed());
            assert!(
                !left.is_zero(),
                "`{event}` of {} does not come; {lines:?}",
                self.name
            );
            lines = come.wait_timeout(lines, left).expect("not poisoned").0;
        }
    }

    /// How often a load has begun.
    pub(crate) fn runs(&self) -> u32 {
        self.ask("runs").parse().expect("a number")
    }

    /// Waits until this process has heard all that `other` has said to it before.
    pub(crate) fn hear(&self, other: &Worker) {
        let mark = format!("mark:{}", unique_prefix());
        self.ask(&format!("set {mark} here"));
        other.ask(&format!("delete {mark}"));
        self.ask(&format!("gone {mark}"));
    }

    /// Kills the process with `SIGKILL`.
    pub(crate) fn kill(&self) {
        let mut child = self.child.borrow_mut();
        child.kill().expect("it runs");
        child.wait().expect("it is dead");
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let child = self.child.get_mut();
        let _ = child.kill();
        let _ = child.wait();
    }
}

impl Asked<'_> {
    /// Waits for the answer.
    pub(crate) fn answer(self) -> String {
        self.worker.until(&self.number.to_string())
    }

    /// Drops what the order began, and waits until it is dropped.
    pub(crate) fn drop(self) {
        self.worker.ask(&format!("drop {}", self.number));
        assert_eq!(self.answer(), "dropped");
    }
}

/// Processes over one prefix of one server.
pub(crate) struct Crew<'a> {
    pub(crate) server: &'a RedisServer,
    pub(crate) prefix: String,
    variables: Vec<(&'a str, &'a str)>,
}

impl<'a> Crew<'a> {
    pub(crate) fn of(server: &'a RedisServer, variables: &[(&'a str, &'a str)]) -> Self {
        Self {
            server,
            prefix: unique_prefix(),
            variables: variables.to_vec(),
        }
    }

    /// One process more.
    pub(crate) fn worker(&self, name: &str) -> Worker {
        self.worker_with(name, &[])
    }

    /// One process more, with variables of its own.
    pub(crate) fn worker_with(&self, name: &str, more: &[(&str, &str)]) -> Worker {
        let url = self.server.url();
        let mut variables = vec![("REDIS_URL", url.as_str()), ("CACHE_KEY_PREFIX", &self.prefix)];
        variables.extend(&self.variables);
        variables.extend(more);
        Worker::start(name, &variables)
    }

    pub(crate) fn workers<const N: usize>(&self, names: [&str; N]) -> [Worker; N] {
        names.map(|name| self.worker(name))
    }

    /// The key in Redis.
    pub(crate) fn key(&self, key: &str) -> String {
        format!("{}:{key}", self.prefix)
    }

    pub(crate) fn redis(&self, arguments: &[&str]) -> String {
        self.server.cli(arguments)
    }

    /// The keys in Redis that match, under the prefix.
    pub(crate) fn keys(&self, pattern: &str) -> Vec<String> {
        let keys = self.redis(&["KEYS", &self.key(pattern)]);
        keys.lines()
            .map(str::to_owned)
            .filter(|key| !key.is_empty())
            .collect()
    }

    /// Waits until somebody waits in Redis for the load that holds this key.
    pub(crate) fn until_awaited(&self, key: &str) {
        let key = self.key(key);
        until("the load is awaited", || {
            self.redis(&["GETRANGE", &key, "41", "41"]) == "\u{3}"
        });
    }
}

/// Looks until it is so, and gives how long that took.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) -> Duration {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < DEADLINE, "still not: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
    started.elapsed()
}
