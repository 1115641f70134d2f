//! Everything that the processes of a schedule have in common: the source with its versions, the model of Redis, who
//! hears whom, and what is known about how old a value may be. Invariant: a floor only rises; it is the version that a
//! read which begins now must not fall below.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::mpsc::UnboundedSender;
use tokio::time::{Duration, Instant};

use super::channel::Note;
use super::rng::Rng;
use super::setup::Setup;
use crate::clock;
use crate::engine::Core;
use crate::entry::Stored;
use crate::remote::Change;

/// The most keys of a schedule.
pub(super) const KEYS: usize = 4;
/// What stands before each key in the model of Redis.
pub(super) const PREFIX: &str = "p:";

/// A version for each key.
pub(super) type Floors = [u64; KEYS];

pub(super) fn raise(floors: &mut Floors, to: &Floors) {
    for (floor, to) in floors.iter_mut().zip(to) {
        *floor = (*floor).max(*to);
    }
}

/// A run of a function.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    pub(super) node: usize,
    pub(super) life: u64,
    pub(super) key: usize,
    /// What the source had when it began.
    pub(super) version: u64,
    /// When the call began that runs it.
    pub(super) called: u64,
    pub(super) ended: Option<u64>,
    /// Whether it is under way.
    pub(super) runs: bool,
    /// Whether others need not wait for it.
    pub(super) alone: bool,
}

/// One process.
pub(super) struct Node {
    /// Grows with every crash, so that what is left of an earlier process is known.
    pub(super) life: u64,
    pub(super) core: Weak<Core>,
    pub(super) line: Option<UnboundedSender<Note>>,
    /// The connection of its listener, which ends with a number and begins with the next.
    pub(super) epoch: u64,
    /// Whether the model sends it what is published.
    pub(super) linked: bool,
    /// Whether its listener believes that it hears.
    pub(super) hears: bool,
    /// Since when it has known that it does not hear.
    pub(super) deaf_since: Option<u64>,
    pub(super) last_note: u64,
    pub(super) last_effect: u64,
    /// What it must not fall below whatever it reads from.
    pub(super) floor: Floors,
    /// When something happened to a key for which it may run its function once more, though a load runs.
    pub(super) excused: [u64; KEYS],
    /// Whether a caller was not polled for a while, so that others may have taken its load over.
    pub(super) stalled: [bool; KEYS],
}

pub(super) struct World(Mutex<State>);

pub(super) struct State {
    pub(super) rng: Rng,
    pub(super) setup: Arc<Setup>,
    began: Instant,
    /// The version of each key in the source.
    pub(super) source: Floors,
    pub(super) loads: Vec<Load>,
    pub(super) entries: BTreeMap<String, (Vec<u8>, u64)>,
    /// What a value that comes from Redis cannot be older than: all that was there before was deleted.
    pub(super) deleted: Floors,
    /// What a process that asks for the nonces cannot be served anything older than.
    pub(super) renewed: Floors,
    /// The versions in the source when a nonce was made.
    pub(super) nonces: HashMap<u64, Floors>,
    /// The highest version that was stored.
    stored: Floors,
    /// When `deleted` or `renewed` rose, and to what.
    pub(super) history: Vec<(u64, usize, u64)>,
    pub(super) nodes: Vec<Node>,
    pub(super) down_until: u64,
    /// The schedule is over; what is dropped now has no effect.
    pub(super) closing: bool,
    trace: Option<String>,
    pub(super) failure: Option<String>,
}

impl World {
    pub(super) fn new(setup: Setup, rng: Rng, traced: bool) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State {
            rng,
            setup: Arc::new(setup),
            began: Instant::now(),
            source: [1; KEYS],
            loads: Vec::new(),
            entries: BTreeMap::new(),
            deleted: [0; KEYS],
            renewed: [0; KEYS],
            nonces: HashMap::new(),
            stored: [0; KEYS],
            history: Vec::new(),
            nodes: Vec::new(),
            down_until: 0,
            closing: false,
            trace: traced.then(String::new),
            failure: None,
        })))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Milliseconds since the schedule began.
    pub(super) fn now(&self) -> u64 {
        Instant::now().duration_since(self.began).as_millis() as u64
    }

    pub(super) fn at(&self, time: u64) -> Instant {
        self.began + Duration::from_millis(time)
    }

    pub(super) fn say(&mut self, text: impl FnOnce(&Self) -> String) {
        if self.trace.is_some() {
            let line = format!("{:5} {}\n", self.now(), text(self));
            if let Some(trace) = &mut self.trace {
                trace.push_str(&line);
            }
        }
    }

    /// Notes what went wrong first.
    pub(super) fn fail(&mut self, text: String) {
        self.say(|_| format!("FAILURE {text}"));
        if self.failure.is_none() {
            let mut failure = text;
            let _ = write!(failure, " (at {} ms)", self.now());
            self.failure = Some(failure);
        }
    }

    pub(super) fn take_trace(&mut self) -> String {
        self.trace.take().unwrap_or_default()
    }

    /// Whether this process has not crashed.
    pub(super) fn lives(&self, node: usize, life: u64) -> bool {
        self.nodes[node].life == life
    }

    pub(super) fn version_of(&self, value: u64) -> Option<(usize, &Load)> {
        let index = usize::try_from(value).ok()?;
        Some((index, self.loads.get(index)?))
    }

    /// The bytes under a key of the model, unless they have expired.
    pub(super) fn entry(&mut self, full: &str) -> Option<Vec<u8>> {
        let (bytes, until) = self.entries.get(full)?;
        if *until > clock::wall() {
            return Some(bytes.clone());
        }
        self.entries.remove(full);
        None
    }

    pub(super) fn change(&mut self, full: &str, change: Change) {
        match change {
            Change::Keep => {}
            Change::Put { value, ttl } => {
                let until = clock::wall().saturating_add(u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX));
                self.entries.insert(full.to_owned(), (value, until));
            }
            Change::Delete => {
                self.entries.remove(full);
            }
        }
    }

    /// Everything under these keys is deleted. Gives how many there were.
    pub(super) fn delete(&mut self, is_meant: impl Fn(&str) -> bool) -> u64 {
        let before = self.entries.len();
        self.entries.retain(|full, _| !is_meant(full));
        let setup = Arc::clone(&self.setup);
        let mut floors = [0; KEYS];
        for (index, key) in setup.keys.iter().enumerate() {
            if is_meant(&key.full) {
                floors[index] = self.source[index];
            }
        }
        raise(&mut self.deleted, &floors);
        self.remember(&floors);
        (before - self.entries.len()) as u64
    }

    /// The nonce of a generation is replaced. What was loaded under it is as new as it is itself.
    pub(super) fn renew(&mut self, name: &str, nonce: u64) {
        let setup = Arc::clone(&self.setup);
        let mut floors = self.nonces.get(&nonce).copied().unwrap_or([0; KEYS]);
        for (floor, key) in floors.iter_mut().zip(&setup.keys) {
            if key.names.iter().all(|other| other != name) {
                *floor = 0;
            }
        }
        raise(&mut self.renewed, &floors);
        self.remember(&floors);
    }

    fn remember(&mut self, floors: &Floors) {
        let now = self.now();
        for (index, floor) in floors.iter().enumerate().filter(|(_, floor)| **floor > 0) {
            self.history.push((now, index, *floor));
        }
    }

    /// What must be known everywhere because it became so before `time`.
    pub(super) fn floor_at(&self, key: usize, time: u64) -> u64 {
        self.history
            .iter()
            .filter(|(at, of, _)| *of == key && *at <= time)
            .map(|(_, _, floor)| *floor)
            .max()
            .unwrap_or(0)
    }

    /// Looks at what a load has stored in Redis.
    pub(super) fn check_stored(&mut self, full: &str, bytes: &[u8]) {
        let setup = Arc::clone(&self.setup);
        let Some(key) = setup.keys.iter().position(|key| key.full == full) else {
            return;
        };
        let value = Stored::read(bytes, &setup.keys[key].text, 1000)
            .ok()
            .and_then(|stored| serde_json::from_slice(&stored.payload?).ok());
        let Some((load, Load { version, .. })) = value.and_then(|value| self.version_of(value)) else {
            self.fail(format!("nothing was loaded that is stored under key {key}"));
            return;
        };
        let (version, floor, highest) = (*version, self.deleted[key], self.stored[key]);
        self.say(|_| format!("redis: load {load} of key {key} stored, version {version}"));
        if version < floor {
            self.fail(format!(
                "G1: load {load} stores version {version} of key {key}, which was invalidated at version {floor}"
            ));
        }
        if version < highest {
            self.fail(format!(
                "G3: load {load} stores version {version} of key {key} after version {highest}"
            ));
        }
        self.stored[key] = highest.max(version);
    }
}
