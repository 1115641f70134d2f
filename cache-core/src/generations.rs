//! Names that many entries share, each with a nonce: an entry counts only while the nonces it was loaded under stand.
//! Invalidating a name replaces its nonce, whatever the number of entries. Invariant: a nonce is never used twice, so
//! one that was lost cannot bring anything back.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::clock;

/// The nonce of one name, as far as this process knows.
#[derive(Debug)]
pub(crate) struct Generation {
    pub(crate) name: Arc<str>,
    nonce: AtomicU64,
    /// When the server was asked for it last; zero for never.
    asked: AtomicU64,
}

impl Generation {
    pub(crate) fn nonce(&self) -> u64 {
        self.nonce.load(Ordering::SeqCst)
    }

    /// Takes over what the server says, unless the nonce has changed since it was asked.
    pub(crate) fn learn(&self, before: u64, nonce: u64) {
        if self
            .nonce
            .compare_exchange(before, nonce, Ordering::SeqCst, Ordering::SeqCst)
            .is_ok()
        {
            self.asked.store(clock::now(), Ordering::Relaxed);
        }
    }

    /// Replaces the nonce: all that was loaded under the earlier one is gone.
    pub(crate) fn replace(&self, nonce: u64) {
        self.nonce.store(nonce, Ordering::SeqCst);
        self.asked.store(clock::now(), Ordering::Relaxed);
    }

    /// Whether the server has to be asked again.
    pub(crate) fn is_outdated(&self, age: u64) -> bool {
        let asked = self.asked.load(Ordering::Relaxed);
        asked == 0 || clock::now().saturating_sub(asked) >= age
    }

    pub(crate) fn distrust(&self) {
        self.asked.store(0, Ordering::Relaxed);
    }
}

/// A generation as it stood when a load began.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    pub(crate) generation: Arc<Generation>,
    pub(crate) nonce: u64,
}

impl Snapshot {
    pub(crate) fn stands(&self) -> bool {
        self.generation.nonce() == self.nonce
    }
}

/// The generations by name, and the number of them at which those that nothing refers to are let go.
type Table = (HashMap<Arc<str>, Arc<Generation>>, usize);

/// All generations that something in this process refers to.
#[derive(Debug, Default)]
pub(crate) struct Generations {
    table: Mutex<Table>,
}

impl Generations {
    /// The generation of a name, made when nothing refers to it yet.
    pub(crate) fn of(&self, name: &str) -> Arc<Generation> {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let (map, sweep_at) = &mut *table;
        if let Some(generation) = map.get(name) {
            return Arc::clone(generation);
        }
        if map.len() >= *sweep_at {
            // What nothing refers to can be made anew: its nonce then differs from every earlier one.
            map.retain(|_, generation| Arc::strong_count(generation) > 1);
            *sweep_at = (map.len() * 2).max(1024);
        }
        let name: Arc<str> = Arc::from(name);
        let generation = Arc::new(Generation {
            name: Arc::clone(&name),
            nonce: AtomicU64::new(fresh_nonce()),
            asked: AtomicU64::new(0),
        });
        map.insert(name, Arc::clone(&generation));
        generation
    }

    /// Asks the server again for all of them at their next use.
    pub(crate) fn distrust(&self) {
        let table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.0.values().for_each(|generation| generation.distrust());
    }

    /// Replaces every nonce.
    pub(crate) fn renew_all(&self) {
        let table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.0.values().for_each(|generation| {
            generation.replace(fresh_nonce());
            generation.distrust();
        });
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
    fn a_snapshot_stands_until_its_generation_is_renewed() {
        let generations = Generations::default();
        let generation = generations.of("org:7");
        let snapshot = Snapshot {
            nonce: generation.nonce(),
            generation,
        };
        assert!(snapshot.stands());
        generations.of("org:8").replace(fresh_nonce());
        assert!(snapshot.stands());
        generations.of("org:7").replace(fresh_nonce());
        assert!(!snapshot.stands());
    }

    #[test]
    fn g2_what_the_server_said_before_an_invalidation_does_not_undo_it() {
        let generation = Generations::default().of("org:7");
        let (before, renewed) = (generation.nonce(), fresh_nonce());
        generation.replace(renewed);
        generation.learn(before, 42);
        assert_eq!(generation.nonce(), renewed);
        generation.learn(renewed, 42);
        assert_eq!(generation.nonce(), 42);
    }

    #[test]
    fn generations_that_nothing_refers_to_are_let_go() {
        let generations = Generations::default();
        for n in 0..100_000 {
            generations.of(&format!("tag:{n}"));
        }
        assert!(generations.table.lock().unwrap().0.len() <= 2048);
    }
}
