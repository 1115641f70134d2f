//! What is counted while one fault is played, in a worker and in all of them together.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A call that takes longer counts as slow.
pub(crate) const SLOW: Duration = Duration::from_millis(5);
/// Ages in classes: each is below the power of two, in microseconds.
const CLASSES: usize = 32;

/// The counters of a worker.
#[derive(Default)]
pub(crate) struct Live {
    pub(crate) calls: AtomicU64,
    pub(crate) wrong: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) panics: AtomicU64,
    pub(crate) slow: AtomicU64,
    pub(crate) longest: AtomicU64,
    pub(crate) changes: AtomicU64,
    behind: [AtomicU64; CLASSES],
}

/// The same as numbers; `longest` in microseconds.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) calls: u64,
    pub(crate) wrong: u64,
    pub(crate) failed: u64,
    pub(crate) panics: u64,
    pub(crate) slow: u64,
    pub(crate) longest: u64,
    pub(crate) changes: u64,
    pub(crate) behind: [u64; CLASSES],
}

impl Live {
    pub(crate) fn took(&self, time: Duration) {
        self.longest.fetch_max(time.as_micros() as u64, Relaxed);
        self.slow.fetch_add(u64::from(time > SLOW), Relaxed);
    }

    /// A value was older than what another process had already invalidated, for this long.
    pub(crate) fn behind(&self, micros: u64) {
        let class = (u64::BITS - micros.leading_zeros()) as usize;
        self.behind[class.min(CLASSES - 1)].fetch_add(1, Relaxed);
    }

    pub(crate) fn numbers(&self) -> Row {
        let get = |counter: &AtomicU64| counter.load(Relaxed);
        Row {
            calls: get(&self.calls),
            wrong: get(&self.wrong),
            failed: get(&self.failed),
            panics: get(&self.panics),
            slow: get(&self.slow),
            longest: get(&self.longest),
            changes: get(&self.changes),
            behind: std::array::from_fn(|class| get(&self.behind[class])),
        }
    }
}

impl Row {
    pub(crate) fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        self.wrong += other.wrong;
        self.failed += other.failed;
        self.panics += other.panics;
        self.slow += other.slow;
        self.longest = self.longest.max(other.longest);
        self.changes += other.changes;
        for (mine, others) in self.behind.iter_mut().zip(other.behind) {
            *mine += others;
        }
    }

    /// The values that were behind, in all.
    pub(crate) fn all_behind(&self) -> u64 {
        self.behind.iter().sum()
    }

    /// This part of the values that were behind were so for less than this.
    pub(crate) fn behind_by(&self, part: f64) -> Duration {
        let rank = (self.all_behind() as f64 * part).ceil() as u64;
        let mut seen = 0;
        let class = self.behind.iter().position(|count| {
            seen += count;
            seen >= rank
        });
        Duration::from_micros(class.map_or(0, |class| 1 << class))
    }
}
