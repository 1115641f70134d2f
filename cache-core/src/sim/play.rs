//! Plays a schedule: starts the processes, has things happen in their time, and looks at what is left in the end.
//! Invariant: everything runs on one thread with a clock that stands still while anybody can go on.

use std::sync::Arc;

use tokio::task::JoinHandle;
use tokio::time::{Duration, sleep, sleep_until, timeout};

use super::calls::{self, Process};
use super::channel;
use super::ops::{self, Op, Target};
use super::redis::Redis;
use super::rng::Rng;
use super::setup::{SITES, SPACES, Setup, TAG, Weather};
use super::world::{Floors, KEYS, Node, PREFIX, World, raise};
use crate::CacheManager;
use crate::engine::Core;
use crate::engine::remove::Name;
use crate::entry;

/// What went wrong, with all that led to it where that was asked for.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) text: String,
    pub(super) trace: String,
}

/// What a schedule came to.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Tally {
    pub(super) ops: usize,
    pub(super) loads: usize,
}

/// Gives what happened too, where that was asked for.
pub(super) fn play(seed: u64, traced: bool) -> Result<(Tally, String), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let (tally, text, trace) = runtime.block_on(async {
        let mut rng = Rng::new(seed);
        let setup = Setup::new(&mut rng);
        let ops = ops::draw(&mut rng, &setup);
        let world = World::new(setup, rng, traced);
        let mut stage = Stage {
            world: Arc::clone(&world),
            processes: Vec::new(),
            tasks: Vec::new(),
        };
        stage.run(&ops).await;
        let mut end = world.lock();
        end.closing = true;
        let tally = Tally {
            ops: ops.len(),
            loads: end.loads.len(),
        };
        (tally, end.failure.take(), end.take_trace())
    });
    drop(runtime);
    match text {
        Some(text) => Err(Failure { text, trace }),
        None => Ok((tally, trace)),
    }
}

struct Stage {
    world: Arc<World>,
    processes: Vec<Process>,
    /// What runs in which process.
    tasks: Vec<(usize, u64, JoinHandle<()>)>,
}

impl Stage {
    async fn run(&mut self, ops: &[(u64, Op)]) {
        let nodes = self.world.lock().setup.nodes;
        self.world.lock().say(|state| format!("{:?}", state.setup));
        for node in 0..nodes {
            self.start(node);
        }
        for (at, op) in ops {
            let at = self.world.lock().at(*at);
            sleep_until(at).await;
            self.perform(*op);
        }
        self.settle().await;
    }

    /// Starts a process, in the place of an earlier one if there was one.
    fn start(&mut self, node: usize) {
        let mut state = self.world.lock();
        let life = state.nodes.get(node).map_or(0, |node| node.life + 1);
        let epoch = state.nodes.get(node).map_or(0, |node| node.epoch + 1);
        let store = Redis {
            world: Arc::clone(&self.world),
            node,
            life,
        };
        let core = Arc::new(Core::new(Setup::config(), Some(Arc::new(store))).unwrap());
        let mut floor = state.deleted;
        raise(&mut floor, &state.renewed);
        let started = Node {
            life,
            core: Arc::downgrade(&core),
            line: None,
            epoch,
            linked: false,
            hears: false,
            deaf_since: Some(state.now()),
            last_note: 0,
            last_effect: 0,
            floor,
            excused: [state.now(); KEYS],
            stalled: [false; KEYS],
        };
        let process = Process {
            world: Arc::clone(&self.world),
            node,
            life,
            manager: CacheManager { core },
        };
        if node == state.nodes.len() {
            state.nodes.push(started);
            self.processes.push(process);
        } else {
            state.nodes[node] = started;
            self.processes[node] = process;
        }
        let delay = if state.rng.chance(70) {
            0
        } else {
            state.rng.below(100)
        };
        drop(state);
        channel::listen(&self.world, node);
        let mut state = self.world.lock();
        state.link(node, delay);
    }

    fn spawn(&mut self, node: usize, work: impl Future<Output = ()> + Send + 'static) {
        let life = self.processes[node].life;
        self.tasks.push((node, life, tokio::spawn(work)));
    }

    fn perform(&mut self, op: Op) {
        match op {
            Op::Call(call) => {
                let process = self.processes[call.node].clone();
                self.spawn(call.node, calls::make(process, call));
            }
            Op::Invalidate { node, target, leaves } => {
                let process = self.processes[node].clone();
                let work = invalidate(process, target);
                self.spawn(node, async move {
                    match leaves {
                        Some(after) => drop(timeout(Duration::from_millis(after), work).await),
                        None => work.await,
                    }
                });
            }
            Op::Crash { node } => {
                self.world.lock().say(|_| format!("n{node} crashes"));
                let life = self.processes[node].life;
                for (of, then, task) in &self.tasks {
                    if (*of, *then) == (node, life) {
                        task.abort();
                    }
                }
                self.start(node);
            }
            Op::Lose { node, notice, back } => channel::lose(&self.world, node, notice, back),
            Op::Delete { key } => {
                let mut state = self.world.lock();
                let full = state.setup.keys[key].full.clone();
                state.say(|_| format!("a program deletes {full}"));
                state.delete(|other| other == full);
            }
            Op::LoseNonce { key, which } => {
                let mut state = self.world.lock();
                let name = format!("%{PREFIX}{}", state.setup.keys[key].names[which]);
                state.say(|_| format!("{name} is lost"));
                state.entries.remove(&name);
            }
            Op::Flush => {
                let mut state = self.world.lock();
                state.say(|_| "redis is flushed".to_owned());
                state.delete(|_| true);
            }
            Op::Down { length } => {
                let mut state = self.world.lock();
                state.say(|_| format!("redis is down for {length} ms"));
                state.down_until = state.now() + length;
            }
        }
    }

    /// Waits for all who are under way, and looks at what is left.
    async fn settle(&mut self) {
        let waiting = async {
            for (_, _, task) in &mut self.tasks {
                // A panic of a function reaches its callers, and a crash ends them.
                let _ = task.await;
            }
        };
        if timeout(Duration::from_secs(60), waiting).await.is_err() {
            self.world.lock().fail("S4: somebody waits for ever".to_owned());
            return;
        }
        sleep(Duration::from_secs(4)).await;
        for process in &self.processes {
            let core = process.core();
            let mut state = self.world.lock();
            if core.memory.flights() > 0 {
                state.fail(format!("S3: n{} has a load that nobody runs", process.node));
            }
            if !core.pending.is_empty() {
                state.fail(format!("L4: n{} has not told everything", process.node));
            }
        }
        let mut state = self.world.lock();
        let now = crate::clock::wall();
        let leased = state
            .entries
            .values()
            .any(|(bytes, until)| *until > now && entry::is_lease(bytes));
        if leased {
            state.fail("S2: redis has a lease that nobody holds".to_owned());
        }
        if state.setup.weather == Weather::Herd {
            for key in 0..state.setup.keys.len() {
                let loads = state.loads.iter().filter(|load| load.key == key).count();
                if loads > 1 {
                    state.fail(format!("S2: key {key} was loaded {loads} times"));
                }
            }
        }
    }
}

/// Changes the source, and then tells the cache, as an application does.
async fn invalidate(process: Process, target: Target) {
    let world = Arc::clone(&process.world);
    let (names, floors) = {
        let mut state = world.lock();
        let names = names_of(&state.setup, target);
        let mut floors: Floors = [0; KEYS];
        let now = state.now();
        let setup = Arc::clone(&state.setup);
        for (index, floor) in floors.iter_mut().enumerate().take(setup.keys.len()) {
            if is_meant(&setup, target, index) {
                state.source[index] += 1;
                *floor = state.source[index];
                state.nodes[process.node].excused[index] = now;
            }
        }
        for name in &names {
            if let Name::Generation(_, nonce) = name {
                let source = state.source;
                state.nonces.insert(*nonce, source);
            }
        }
        state.say(|state| format!("n{} invalidates {target:?}: {:?}", process.node, state.source));
        (names, floors)
    };
    let core = process.core();
    let mut budget = core.budget();
    for name in names {
        core.invalidate(name, &mut budget).await;
    }
    let mut state = world.lock();
    if state.lives(process.node, process.life) {
        state.say(|_| format!("n{} has invalidated {target:?}", process.node));
        let now = state.now();
        let node = &mut state.nodes[process.node];
        for (excused, floor) in node.excused.iter_mut().zip(&floors) {
            if *floor > 0 {
                *excused = now;
            }
        }
        raise(&mut node.floor, &floors);
    }
}

fn is_meant(setup: &Setup, target: Target, index: usize) -> bool {
    let key = &setup.keys[index];
    match target {
        Target::Key(other) => index == other,
        Target::Tag => key.tagged,
        Target::Space(other) | Target::Function(other) | Target::Pattern(other) => {
            key.site == setup.keys[other].site
        }
        Target::All => true,
    }
}

fn names_of(setup: &Setup, target: Target) -> Vec<Name> {
    match target {
        Target::Key(key) => vec![Name::Key(setup.keys[key].text.clone())],
        Target::Tag => vec![Name::tag(TAG)],
        Target::Space(key) => vec![Name::matching(format!("{}:*", SPACES[setup.keys[key].site]))],
        Target::Function(key) => {
            let site = setup.keys[key].site;
            Name::function(SITES[site].path, SITES[site].template, SPACES[site]).into()
        }
        Target::Pattern(key) => vec![Name::matching(format!("{}:?", SPACES[setup.keys[key].site]))],
        Target::All => vec![Name::All],
    }
}
