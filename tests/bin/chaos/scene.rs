//! What faults are played on: a server, a proxy for each worker, the workers, and a clock that one of them lives by.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use tests::{Clock, Proxy, RedisServer, unique_prefix};

use crate::row::Row;
use crate::truth::WRITERS;

/// How long an order may take.
const DEADLINE: Duration = Duration::from_secs(60);

/// What all workers have counted, by the number of the row and of the process.
type Counts = Arc<Mutex<BTreeMap<(usize, u32), Row>>>;

pub(crate) struct Scene {
    pub(crate) server: RedisServer,
    pub(crate) proxies: [Proxy; WRITERS],
    pub(crate) clock: Clock,
    workers: [RefCell<Option<Worker>>; WRITERS],
    started: Instant,
    folder: PathBuf,
    /// The last order that all were given.
    stage: RefCell<String>,
    counts: Counts,
    verbose: bool,
    processes: Cell<u32>,
}

impl Scene {
    pub(crate) fn new(verbose: bool) -> Self {
        let memory = PathBuf::from("/dev/shm");
        let parent = if memory.is_dir() {
            memory
        } else {
            std::env::temp_dir()
        };
        let folder = parent.join(unique_prefix());
        std::fs::create_dir(&folder).expect("a folder");
        // The workers have a user of their own, so that it can be refused while the server still obeys us.
        let server = RedisServer::start_with(&[
            "--dir",
            folder.to_str().expect("text"),
            "--appendonly",
            "yes",
            "--appendfsync",
            "always",
            "--user",
            "app",
            "on",
            ">secret",
            "~*",
            "&*",
            "+@all",
        ]);
        let proxies = std::array::from_fn(|_| Proxy::to(server.port()));
        Self {
            server,
            proxies,
            clock: Clock::new(0),
            workers: std::array::from_fn(|_| RefCell::new(None)),
            started: Instant::now(),
            folder,
            stage: RefCell::new("stage 0 0 0".to_owned()),
            counts: Counts::default(),
            verbose,
            processes: Cell::new(0),
        }
    }

    /// Starts the server again, with what it had written to disk.
    pub(crate) fn restart(&self) {
        self.server.restart();
    }

    /// Starts the server again with nothing.
    pub(crate) fn restart_empty(&self) {
        self.server.kill();
        for entry in std::fs::read_dir(&self.folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.file_name().is_some_and(|name| name == "truth") {
                continue;
            }
            let removed = if path.is_dir() {
                std::fs::remove_dir_all(&path)
            } else {
                std::fs::remove_file(&path)
            };
            removed.expect("it goes");
        }
        self.server.restart();
    }

    /// Starts a worker in the place of the one that is there, which is killed.
    pub(crate) fn start_worker(&self, writer: usize) {
        self.kill_worker(writer);
        let number = self.processes.replace(self.processes.get() + 1);
        let port = self.proxies[writer].port();
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command
            .env_clear()
            .arg("--worker")
            .arg(writer.to_string())
            .env("REDIS_URL", format!("redis://app:secret@127.0.0.1:{port}/"))
            .env("CACHE_MEMORY_TTL", "3s")
            .env("CACHE_DEGRADED_TTL", "1s")
            .env("CACHE_LEASE", "1s")
            .env("CACHE_STALE_THROTTLE", "1s")
            .env("CHAOS_TRUTH", self.folder.join("truth"))
            .env("CHAOS_STAGE", &*self.stage.borrow());
        if writer == 0 && cfg!(target_os = "linux") {
            command.envs(self.clock.variables());
        }
        let worker = Worker::start(command, self, number, writer);
        *self.workers[writer].borrow_mut() = Some(worker);
    }

    pub(crate) fn kill_worker(&self, writer: usize) {
        *self.workers[writer].borrow_mut() = None;
    }

    /// Stops a worker for a while, as a machine does that is suspended or has no memory left.
    pub(crate) fn stop_worker(&self, writer: usize, time: Duration) {
        if let Some(worker) = &*self.workers[writer].borrow() {
            worker.signal("STOP");
            std::thread::sleep(time);
            worker.signal("CONT");
        }
    }

    /// Gives all workers an order, and gives their answers, each behind this word.
    pub(crate) fn ask(&self, order: &str, answer: &str) -> Vec<String> {
        if order.starts_with("stage") {
            order.clone_into(&mut self.stage.borrow_mut());
        }
        let workers: Vec<_> = self.workers.iter().map(RefCell::borrow).collect();
        let workers: Vec<&Worker> = workers.iter().filter_map(|worker| worker.as_ref()).collect();
        workers.iter().for_each(|worker| worker.say(order));
        workers.iter().map(|worker| worker.until(answer)).collect()
    }

    /// Gives all workers an order that is not answered at once.
    pub(crate) fn tell(&self, order: &str) {
        for worker in &self.workers {
            if let Some(worker) = &*worker.borrow() {
                worker.say(order);
            }
        }
    }

    /// The first answer behind this word that each worker has given since the last time, if it has.
    pub(crate) fn heard(&self, answer: &str) -> Vec<Option<String>> {
        let heard = |worker: &RefCell<Option<Worker>>| worker.borrow().as_ref()?.heard(answer);
        self.workers.iter().map(heard).collect()
    }

    /// What all have counted in this row.
    pub(crate) fn row(&self, number: usize) -> Row {
        let mut sum = Row::default();
        let counts = self.counts.lock().expect("not poisoned");
        for (_, row) in counts.iter().filter(|((row, _), _)| *row == number) {
            sum.add(row);
        }
        sum
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        (0..WRITERS).for_each(|writer| self.kill_worker(writer));
        self.server.kill();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A process that runs; killed with `SIGKILL` on drop.
struct Worker {
    child: Child,
    input: Arc<Mutex<ChildStdin>>,
    lines: Arc<(Mutex<Vec<String>>, Condvar)>,
}

impl Worker {
    fn start(mut command: Command, scene: &Scene, number: u32, writer: usize) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the worker runs");
        let input = Arc::new(Mutex::new(child.stdin.take().expect("a pipe")));
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        let lines = Arc::new((Mutex::default(), Condvar::new()));
        let worker = Self {
            child,
            input: Arc::clone(&input),
            lines: Arc::clone(&lines),
        };
        let (counts, started, verbose) = (Arc::clone(&scene.counts), scene.started, scene.verbose);
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
                match word {
                    "time?" => {
                        let _ = writeln!(
                            input.lock().expect("not poisoned"),
                            "{}",
                            started.elapsed().as_micros()
                        );
                    }
                    "count" => {
                        let (row, numbers) = rest.split_once(' ').expect("a row and its numbers");
                        let numbers = serde_json::from_str(numbers).expect("numbers");
                        let at = (row.parse().expect("a number"), number);
                        counts.lock().expect("not poisoned").insert(at, numbers);
                    }
                    "wrong" | "failed" | "slow" | "unknown" => {
                        let at = started.elapsed().as_secs_f64();
                        eprintln!("{at:7.2} s, worker {writer}: {line}");
                    }
                    _ => {
                        if verbose {
                            eprintln!(
                                "{:7.2} s, worker {writer}: {line}",
                                started.elapsed().as_secs_f64()
                            );
                        }
                        lines.0.lock().expect("not poisoned").push(line);
                        lines.1.notify_all();
                    }
                }
            }
        });
        worker.until("ready");
        worker
    }

    fn say(&self, order: &str) {
        writeln!(self.input.lock().expect("not poisoned"), "{order}").expect("the worker listens");
    }

    fn signal(&self, name: &str) {
        let mut command = Command::new("kill");
        let status = command
            .args([format!("-{name}"), self.child.id().to_string()])
            .status();
        assert!(status.is_ok_and(|status| status.success()), "`kill -{name}`");
    }

    fn heard(&self, word: &str) -> Option<String> {
        take(&mut self.lines.0.lock().expect("not poisoned"), word)
    }

    fn until(&self, word: &str) -> String {
        let started = Instant::now();
        let mut lines = self.lines.0.lock().expect("not poisoned");
        loop {
            if let Some(found) = take(&mut lines, word) {
                return found;
            }
            let left = DEADLINE.saturating_sub(started.elapsed());
            assert!(!left.is_zero(), "`{word}` does not come; {lines:?}");
            lines = self.lines.1.wait_timeout(lines, left).expect("not poisoned").0;
        }
    }
}

fn take(lines: &mut Vec<String>, word: &str) -> Option<String> {
    let is_it = |line: &String| line.split(' ').next() == Some(word);
    let line = lines.remove(lines.iter().position(is_it)?);
    Some(line[word.len()..].trim().to_owned())
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
