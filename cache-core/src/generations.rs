//! Names that many entries share: tags, functions, namespaces. Each has a nonce in the shared tier and a version in this
//! process; an entry counts only while those it was loaded under stand. Invalidating a name replaces both, whatever the
//! number of entries. Invariant: neither is ever used twice, so one that was lost cannot bring anything back.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};
use std::sync::{Arc, PoisonError};

use foldhash::fast::RandomState;

use crate::clock;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Mutex, MutexGuard};

/// What this process knows of one name.
#[derive(Debug)]
pub(crate) struct Generation {
    pub(crate) name: Arc<str>,
    /// Changes with every invalidation that this process hears of. What is in memory is held against it.
    version: AtomicU64,
    /// Counts the changes of all versions and all doubts about nonces, after they have happened.
    changes: Arc<AtomicU64>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// The nonce in the shared tier. What comes from there is held against it.
    nonce: Option<u64>,
    /// When the shared tier was asked for it last; zero for never.
    asked: u64,
    /// Which runs of which servers there were then. A server that was started again may have lost it.
    runs: u64,
    /// Whether it is the first that was learnt: what was loaded before may be of an earlier one that was never known here.
    first: bool,
    /// How often it was to be asked again because invalidations may have been missed.
    doubts: u64,
    /// How often it was learnt.
    learnt: u64,
}

impl Known {
    /// Whether it was asked for less than `age` milliseconds ago.
    fn is_recent(&self, age: u64) -> bool {
        is_recent(self.asked, age)
    }

    /// Whether that was so, of these runs of the servers.
    fn is_good(&self, age: u64, runs: u64) -> bool {
        self.runs == runs && self.is_recent(age)
    }
}

/// Whether something that was asked for at this time, zero for never, was so less than `age` milliseconds ago.
pub(crate) fn is_recent(asked: u64, age: u64) -> bool {
    asked != 0 && clock::now().saturating_sub(asked) < age
}

/// What an answer of the shared tier must find unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Before {
    version: u64,
    doubts: u64,
    learnt: u64,
    runs: u64,
}

impl Generation {
    #[inline]
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::SeqCst)
    }

    fn change(&self) {
        self.version.fetch_add(1, Ordering::SeqCst);
        self.changes.fetch_add(1, Ordering::SeqCst);
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How it stands, with the nonce if that was asked for less than `age` milliseconds ago.
    pub(crate) fn snapshot(self: &Arc<Self>, age: u64) -> Snapshot {
        let known = self.known();
        Snapshot {
            generation: Arc::clone(self),
            version: self.version(),
            nonce: known.nonce.filter(|_| known.is_recent(age)),
        }
    }

    /// The same, with the nonce if that [`is_known`](Self::is_known), and when it was asked for.
    pub(crate) fn snapshot_of(self: &Arc<Self>, age: u64, runs: u64) -> (Snapshot, u64) {
        let known = self.known();
        let snapshot = Snapshot {
            generation: Arc::clone(self),
            version: self.version(),
            nonce: known.nonce.filter(|_| known.is_good(age, runs)),
        };
        (snapshot, known.asked)
    }

    /// Whether the nonce is known and was asked for less than `age` milliseconds ago, of the servers that run now.
    pub(crate) fn is_known(&self, age: u64, runs: u64) -> bool {
        let known = self.known();
        known.nonce.is_some() && known.is_good(age, runs)
    }

    /// How things stand before the shared tier is asked, while these servers run.
    pub(crate) fn before(&self, runs: u64) -> Before {
        let known = self.known();
        Before {
            version: self.version(),
            doubts: known.doubts,
            learnt: known.learnt,
            runs,
        }
    }

    /// Takes over what the shared tier says, unless there was an invalidation since it was asked, or the answer may have
    /// missed one. A nonce other than the one that was known means that one was missed. Gives whether it was taken over.
    pub(crate) fn learn(&self, before: Before, nonce: u64) -> bool {
        let mut known = self.known();
        if self.version() != before.version || known.doubts != before.doubts {
            return false;
        }
        let same = known.nonce == Some(nonce);
        if !same && known.learnt != before.learnt {
            // Of two answers that differ, which one is the later is not known.
            self.renew(&mut known);
            return false;
        }
        known.learnt += 1;
        known.first = known.nonce.is_none() || (same && known.first);
        if !same && !known.first {
            self.change();
        }
        known.nonce = Some(nonce);
        known.asked = clock::now();
        known.runs = before.runs;
        true
    }

    /// All that was loaded under another nonce is gone. Whether this one is the last is not known: messages come late.
    pub(crate) fn replace(&self, nonce: u64) {
        let mut known = self.known();
        if known.nonce != Some(nonce) {
            self.renew(&mut known);
        } else if std::mem::take(&mut known.first) {
            self.change();
        }
    }

    /// All that was loaded before is gone, and the shared tier is asked again. Gives what to [`settle`](Self::settle) with.
    pub(crate) fn forget(&self) -> u64 {
        let mut known = self.known();
        self.renew(&mut known)
    }

    fn renew(&self, known: &mut Known) -> u64 {
        self.change();
        known.first = false;
        known.nonce = None;
        known.asked = 0;
        self.version()
    }

    /// The shared tier has taken a nonce of this process', after [`forget`](Self::forget) and while these servers ran. What was
    /// learnt in between is of before; whoever else replaced the nonce may have done so after.
    pub(crate) fn settle(&self, since: u64, nonce: u64, runs: u64) {
        let mut known = self.known();
        let alone = self.version() == since;
        self.renew(&mut known);
        if alone {
            known.nonce = Some(nonce);
            known.asked = clock::now();
            known.runs = runs;
        }
    }

    /// Has the shared tier asked again at the next use.
    pub(crate) fn distrust(&self) {
        let mut known = self.known();
        known.asked = 0;
        known.doubts += 1;
        self.changes.fetch_add(1, Ordering::SeqCst);
    }
}

/// A generation as it stood when a load began.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    pub(crate) generation: Arc<Generation>,
    version: u64,
    /// The nonce in the shared tier, where it is known.
    pub(crate) nonce: Option<u64>,
}

impl Snapshot {
    #[inline]
    pub(crate) fn stands(&self) -> bool {
        self.generation.version() == self.version
    }
}

/// The generations by name, and the number of them at which those that nothing refers to are let go.
type Table = (HashMap<Arc<str>, Arc<Generation>, RandomState>, usize);

/// All generations that something in this process refers to.
#[derive(Debug, Default)]
pub(crate) struct Generations {
    table: Mutex<Table>,
    changes: Arc<AtomicU64>,
}

impl Generations {
    /// How many changes there were. What stood at a number of changes stands as long as there are no more, and a nonce that was
    /// known then is known.
    #[inline]
    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Ordering::SeqCst)
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The generation of a name, made when nothing refers to it yet.
    pub(crate) fn of(&self, name: &str) -> Arc<Generation> {
        let mut table = self.table();
        let (map, sweep_at) = &mut *table;
        if let Some(generation) = map.get(name) {
            return Arc::clone(generation);
        }
        if map.len() >= *sweep_at {
            // What nothing refers to can be made anew: no entry holds a snapshot of it.
            map.retain(|_, generation| Arc::strong_count(generation) > 1);
            *sweep_at = (map.len() * 2).max(1024);
        }
        let name: Arc<str> = Arc::from(name);
        let generation = Arc::new(Generation {
            name: Arc::clone(&name),
            version: AtomicU64::new(0),
            changes: Arc::clone(&self.changes),
            known: Mutex::default(),
        });
        map.insert(name, Arc::clone(&generation));
        generation
    }

    /// Asks the shared tier again for all of them at their next use.
    pub(crate) fn distrust(&self) {
        self.table()
            .0
            .values()
            .for_each(|generation| generation.distrust());
    }

    /// All that was loaded under any name is gone.
    pub(crate) fn renew_all(&self) {
        for generation in self.table().0.values() {
            generation.forget();
        }
    }

    /// The number of names.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.table().0.len()
    }
}

/// A number that was not used before, here or elsewhere.
pub(crate) fn fresh_nonce() -> u64 {
    // The standard library seeds each of these from the operating system's randomness and a counter.
    std::collections::hash_map::RandomState::new()
        .build_hasher()
        .finish()
        | 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g4_a_snapshot_stands_until_its_generation_is_replaced() {
        let generations = Generations::default();
        let snapshot = generations.of("org:7").snapshot(u64::MAX);
        assert!(snapshot.stands());
        generations.of("org:8").replace(fresh_nonce());
        assert!(snapshot.stands());
        generations.of("org:7").replace(fresh_nonce());
        assert!(!snapshot.stands());
    }

    #[test]
    fn g2_what_the_server_said_before_an_invalidation_does_not_undo_it() {
        let generation = Generations::default().of("org:7");
        let (before, renewed) = (generation.before(0), fresh_nonce());
        generation.replace(renewed);
        generation.learn(before, 42);
        assert_eq!(generation.snapshot(u64::MAX).nonce, None);
    }

    #[test]
    fn l2_what_was_asked_while_messages_were_missed_is_not_taken_over() {
        let generation = Generations::default().of("org:7");
        let before = generation.before(0);
        generation.distrust();
        generation.learn(before, 42);
        assert_eq!(generation.snapshot(u64::MAX).nonce, None);
    }

    #[test]
    fn l2_a_doubt_is_counted_like_a_change() {
        let generations = Generations::default();
        let generation = generations.of("org:7");
        generation.learn(generation.before(0), 41);
        let changes = generations.changes();
        generation.learn(generation.before(0), 41);
        assert_eq!(generations.changes(), changes);
        generation.distrust();
        assert_ne!(generations.changes(), changes);
    }

    #[test]
    fn g2_an_earlier_answer_that_comes_later_is_not_taken_over() {
        let generation = Generations::default().of("org:7");
        let (early, late) = (generation.before(0), generation.before(0));
        generation.learn(late, 42);
        generation.learn(early, 41);
        assert_eq!(generation.snapshot(u64::MAX).nonce, None);
    }

    #[test]
    fn g5_a_nonce_that_was_lost_ends_what_was_loaded_under_it() {
        let generation = Generations::default().of("org:7");
        generation.learn(generation.before(0), 41);
        let snapshot = generation.snapshot(u64::MAX);
        generation.learn(generation.before(0), 41);
        assert!(snapshot.stands());
        generation.learn(generation.before(0), 42);
        assert!(!snapshot.stands());
    }

    #[test]
    fn g5_a_nonce_is_asked_for_again_when_a_server_was_started_again() {
        let generation = Generations::default().of("org:7");
        assert!(generation.learn(generation.before(1), 41));
        let snapshot = generation.snapshot(u64::MAX);
        assert!(generation.is_known(u64::MAX, 1) && !generation.is_known(u64::MAX, 2));
        // Which has lost nothing.
        assert!(generation.learn(generation.before(2), 41));
        assert!(generation.is_known(u64::MAX, 2) && snapshot.stands());
        let since = generation.forget();
        generation.settle(since, 42, 2);
        assert!(generation.is_known(u64::MAX, 2) && !generation.is_known(u64::MAX, 3));
    }

    #[test]
    fn the_first_nonce_that_is_learnt_ends_nothing() {
        let generation = Generations::default().of("org:7");
        let snapshot = generation.snapshot(u64::MAX);
        assert_eq!(snapshot.nonce, None);
        generation.learn(generation.before(0), 41);
        assert!(snapshot.stands());
    }

    #[test]
    fn g1_an_invalidation_ends_what_was_loaded_before_its_nonce_was_learnt() {
        let generation = Generations::default().of("org:7");
        let snapshot = generation.snapshot(u64::MAX);
        generation.learn(generation.before(0), 41);
        // Only now it is heard that 41 is the nonce of an invalidation.
        generation.replace(41);
        assert!(!snapshot.stands());
        let snapshot = generation.snapshot(u64::MAX);
        generation.replace(41);
        assert!(snapshot.stands());
    }

    #[test]
    fn generations_that_nothing_refers_to_are_let_go() {
        let generations = Generations::default();
        for n in 0..100_000 {
            generations.of(&format!("tag:{n}"));
        }
        assert!(generations.len() <= 2048);
    }
}
