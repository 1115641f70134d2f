//! Counters of what happens, for each function and in all. They are written on every call and read seldom.
//! Invariant: counting a hit never makes two threads write to one cache line, as long as there are lanes for them.

pub(crate) mod times;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::numbered::Numbered;
use times::{Classes, Times};

/// Threads that count without sharing; further ones share lane 0.
const LANES: usize = 16;

#[repr(align(64))]
#[derive(Debug, Default)]
struct Lane(AtomicU64);

/// Which lane a thread counts in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LaneId {
    index: usize,
    own: bool,
}

/// A lane for as long as its thread lives.
#[derive(Debug)]
pub(crate) struct LaneLease(pub(crate) LaneId);

static FREE: Mutex<u32> = Mutex::new(u32::MAX >> (32 - LANES));

impl LaneLease {
    pub(crate) const SHARED: LaneId = LaneId { index: 0, own: false };

    pub(crate) fn take() -> Self {
        let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        if *free == 0 {
            return Self(Self::SHARED);
        }
        let index = free.trailing_zeros() as usize;
        *free &= *free - 1;
        Self(LaneId {
            index: index + 1,
            own: true,
        })
    }
}

impl Drop for LaneLease {
    fn drop(&mut self) {
        if self.0.own {
            *FREE.lock().unwrap_or_else(PoisonError::into_inner) |= 1 << (self.0.index - 1);
        }
    }
}

/// The counters of one function.
#[derive(Debug)]
pub(crate) struct Counters {
    hits: Box<[Lane]>,
    pub(crate) redis_hits: AtomicU64,
    pub(crate) misses: AtomicU64,
    pub(crate) loads: AtomicU64,
    load_times: Times,
    pub(crate) coalesced: AtomicU64,
    pub(crate) stale_served: AtomicU64,
    pub(crate) evictions: AtomicU64,
    pub(crate) invalidations: AtomicU64,
    pub(crate) errors: AtomicU64,
    pub(crate) bytes: AtomicU64,
    /// Whether somebody was told of a value that could not be written.
    unwritten: AtomicBool,
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            hits: (0..=LANES).map(|_| Lane::default()).collect(),
            redis_hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            loads: AtomicU64::new(0),
            load_times: Times::default(),
            coalesced: AtomicU64::new(0),
            stale_served: AtomicU64::new(0),
            evictions: AtomicU64::new(0),
            invalidations: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            unwritten: AtomicBool::new(false),
        }
    }
}

impl Counters {
    /// Counts a hit in memory.
    #[inline]
    pub(crate) fn hit(&self, lane: LaneId) {
        if let Some(Lane(hits)) = self.hits.get(lane.index) {
            if lane.own {
                // No other thread writes here.
                hits.store(hits.load(Relaxed) + 1, Relaxed);
            } else {
                hits.fetch_add(1, Relaxed);
            }
        }
    }

    /// Whether no earlier value of this function could not be written.
    pub(crate) fn is_first_unwritten(&self) -> bool {
        !self.unwritten.swap(true, Relaxed)
    }

    /// Counts a run of the function, whatever came of it.
    pub(crate) fn loaded(&self, took: Duration) {
        self.loads.fetch_add(1, Relaxed);
        self.load_times
            .count(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    pub(crate) fn snapshot(&self) -> FunctionStats {
        let get = |counter: &AtomicU64| counter.load(Relaxed);
        let load_times = self.load_times.snapshot();
        FunctionStats {
            memory_hits: self.hits.iter().map(|lane| lane.0.load(Relaxed)).sum(),
            redis_hits: get(&self.redis_hits),
            misses: get(&self.misses),
            loads: get(&self.loads),
            load_time: Duration::from_micros(load_times.iter().map(|class| class.micros).sum()),
            coalesced: get(&self.coalesced),
            stale_served: get(&self.stale_served),
            evictions: get(&self.evictions),
            invalidations: get(&self.invalidations),
            errors: get(&self.errors),
            bytes: get(&self.bytes),
            load_times,
        }
    }
}

/// What has happened to one function, or to all, since the manager was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FunctionStats {
    /// Calls served from memory.
    pub memory_hits: u64,
    /// Calls served from Redis, or from the store that stands for it.
    pub redis_hits: u64,
    /// Calls that found nothing fresh.
    pub misses: u64,
    /// Runs of the function.
    pub loads: u64,
    /// Time spent in those runs, in all.
    pub load_time: Duration,
    /// Calls that waited for another call's run and shared its result.
    pub coalesced: u64,
    /// Calls served a value past its TTL.
    pub stale_served: u64,
    /// Entries that made room for others.
    pub evictions: u64,
    /// Invalidations of a key, a function, a pattern or a tag that this function made; in the total, also those that were
    /// made on the manager.
    pub invalidations: u64,
    /// Runs that failed, and values that could not be written or read.
    pub errors: u64,
    /// Bytes of encoded values written and read.
    pub bytes: u64,
    /// What `load_time` is the sum of.
    pub(crate) load_times: Classes,
}

impl FunctionStats {
    /// The part of calls that found something, from 0 to 1; 0 when there was none.
    pub fn hit_ratio(&self) -> f64 {
        let hits = (self.memory_hits + self.redis_hits) as f64;
        let all = hits + self.misses as f64;
        if all > 0.0 { hits / all } else { 0.0 }
    }

    /// Takes away what another one has counted.
    #[cfg(any(feature = "axum", feature = "metrics"))]
    pub(crate) fn subtract(&mut self, other: &Self) {
        let less = |one: &mut u64, other: u64| *one = one.saturating_sub(other);
        less(&mut self.memory_hits, other.memory_hits);
        less(&mut self.redis_hits, other.redis_hits);
        less(&mut self.misses, other.misses);
        less(&mut self.loads, other.loads);
        self.load_time = self.load_time.saturating_sub(other.load_time);
        less(&mut self.coalesced, other.coalesced);
        less(&mut self.stale_served, other.stale_served);
        less(&mut self.evictions, other.evictions);
        less(&mut self.invalidations, other.invalidations);
        less(&mut self.errors, other.errors);
        less(&mut self.bytes, other.bytes);
        for (class, other) in self.load_times.iter_mut().zip(&other.load_times) {
            less(&mut class.loads, other.loads);
            less(&mut class.micros, other.micros);
        }
    }

    fn add(&mut self, other: &Self) {
        self.memory_hits += other.memory_hits;
        self.redis_hits += other.redis_hits;
        self.misses += other.misses;
        self.loads += other.loads;
        self.load_time += other.load_time;
        self.coalesced += other.coalesced;
        self.stale_served += other.stale_served;
        self.evictions += other.evictions;
        self.invalidations += other.invalidations;
        self.errors += other.errors;
        self.bytes += other.bytes;
        for (class, other) in self.load_times.iter_mut().zip(&other.load_times) {
            class.loads += other.loads;
            class.micros += other.micros;
        }
    }
}

/// What a manager has counted. Its `Display` is a table.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Stats {
    /// All functions and all direct calls together.
    pub total: FunctionStats,
    /// Each function that was called, by its path, `crate::module::function`.
    pub functions: BTreeMap<String, FunctionStats>,
    /// Entries in memory.
    pub entries: u64,
    /// Estimated bytes of the entries in memory.
    pub memory_bytes: u64,
}

impl std::fmt::Display for Stats {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let width = self.functions.keys().map(String::len).max().unwrap_or(0).max(8);
        writeln!(
            f,
            "{:width$}  {:>9} {:>9} {:>8} {:>8} {:>9} {:>9} {:>9} {:>7} {:>10}",
            "function",
            "mem hits",
            "redis",
            "misses",
            "loads",
            "coalesced",
            "evictions",
            "invalid.",
            "errors",
            "mean load"
        )?;
        let mut row = |name: &str, stats: &FunctionStats| {
            let mean = stats
                .load_time
                .checked_div(u32::try_from(stats.loads).unwrap_or(u32::MAX))
                .unwrap_or_default();
            writeln!(
                f,
                "{name:width$}  {:>9} {:>9} {:>8} {:>8} {:>9} {:>9} {:>9} {:>7} {:>10}",
                stats.memory_hits,
                stats.redis_hits,
                stats.misses,
                stats.loads,
                stats.coalesced,
                stats.evictions,
                stats.invalidations,
                stats.errors,
                format!("{mean:.1?}"),
            )
        };
        for (name, stats) in &self.functions {
            row(name, stats)?;
        }
        row("total", &self.total)
    }
}

/// The counters of all functions of one manager, found without a lock.
#[derive(Debug)]
pub(crate) struct StatsTable {
    functions: Numbered<(&'static str, Arc<Counters>)>,
    /// Calls that no function made.
    pub(crate) direct: Arc<Counters>,
}

impl StatsTable {
    pub(crate) fn new() -> Self {
        Self {
            functions: Numbered::new(),
            direct: Arc::default(),
        }
    }

    /// The counters of function number `id`.
    #[inline]
    pub(crate) fn of(&self, id: usize, path: &'static str) -> &Arc<Counters> {
        match self.functions.first(id) {
            Some((_, counters)) => counters,
            None => self.find(id, path),
        }
    }

    #[cold]
    fn find(&self, id: usize, path: &'static str) -> &Arc<Counters> {
        self.functions.place(id).map_or(&self.direct, |place| {
            &place.get_or_init(|| (path, Arc::default())).1
        })
    }

    pub(crate) fn snapshot(&self, entries: usize, memory_bytes: u64) -> Stats {
        let mut stats = Stats {
            total: self.direct.snapshot(),
            functions: BTreeMap::new(),
            entries: entries as u64,
            memory_bytes,
        };
        for (path, counters) in self.functions.all() {
            let snapshot = counters.snapshot();
            stats.total.add(&snapshot);
            stats
                .functions
                .entry((*path).to_owned())
                .or_default()
                .add(&snapshot);
        }
        stats
    }
}
