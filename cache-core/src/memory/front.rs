//! The short way to an entry: by the function and the raw bytes of its arguments, without writing its key as text.
//! It owns nothing and decides nothing: what it finds counts only while the entry itself says that it is there. A key
//! that is not found here is looked up by its text. Invariant: an entry that has left the memory tier is let go here
//! before the call that removed it returns.

use std::hash::{BuildHasher, Hasher};
use std::sync::{Arc, PoisonError};

use hashbrown::HashTable;

use super::Seed;
use super::shard::Entry;
use crate::stats::Counters;
use crate::sync::RwLock;

/// The functions that have a short way to one entry at most; others find it by the text of its key.
const MOST_WAYS: usize = 4;

struct Record {
    hash: u64,
    arguments: Box<[u8]>,
    entry: Arc<Entry>,
    /// Those of the function.
    counters: Arc<Counters>,
}

/// A part on cache lines of its own.
#[repr(align(128))]
struct Part(RwLock<HashTable<Record>>);

pub(super) struct Front {
    parts: Box<[Part]>,
    seed: Seed,
}

impl Front {
    pub(super) fn new(parts: usize) -> Self {
        Self {
            // More than there are shards: nothing is done here but to look, and most keys then have a lock of their own.
            parts: (0..parts * 8)
                .map(|_| Part(RwLock::new(HashTable::new())))
                .collect(),
            seed: Seed::default(),
        }
    }

    #[inline]
    fn hash(&self, arguments: &[u8]) -> u64 {
        let mut hasher = self.seed.build_hasher();
        hasher.write(arguments);
        hasher.finish()
    }

    #[inline]
    fn part(&self, hash: u64) -> &RwLock<HashTable<Record>> {
        // The table uses the low bits and the highest seven; these are in between.
        &self.parts[(hash >> 32) as usize & (self.parts.len() - 1)].0
    }

    /// Looks at the fresh entry of these arguments, unless it is due for a refresh. `see` runs under a lock.
    #[inline]
    pub(super) fn fresh<R>(
        &self,
        arguments: &[u8],
        changes: u64,
        see: impl FnOnce(&Entry, &Counters) -> R,
    ) -> Option<R> {
        let hash = self.hash(arguments);
        let part = self.part(hash).read().unwrap_or_else(PoisonError::into_inner);
        let record = part.find(hash, |record| *record.arguments == *arguments)?;
        let entry = &*record.entry;
        if entry.is_quick(changes) {
            entry.touch();
            return Some(see(entry, &record.counters));
        }
        None
    }

    /// Leads these arguments to an entry from here on.
    pub(super) fn link(&self, arguments: &[u8], entry: &Arc<Entry>, counters: &Arc<Counters>) {
        let hash = self.hash(arguments);
        {
            let mut fronts = entry.fronts.lock().unwrap_or_else(PoisonError::into_inner);
            if fronts.len() >= MOST_WAYS || fronts.contains(&hash) {
                return;
            }
            fronts.push(hash);
        }
        let record = Record {
            hash,
            arguments: Box::from(arguments),
            entry: Arc::clone(entry),
            counters: Arc::clone(counters),
        };
        let replaced = {
            let mut part = self.part(hash).write().unwrap_or_else(PoisonError::into_inner);
            let replaced = part
                .find_entry(hash, |other| *other.arguments == *arguments)
                .ok()
                .map(|found| found.remove().0);
            part.insert_unique(hash, record, |record| record.hash);
            replaced
        };
        drop(replaced);
        // It may have left while this was going on, and looked for its record too early.
        if entry.has_left() {
            self.unlink(entry);
        }
    }

    /// Lets go of an entry that has left.
    pub(super) fn unlink(&self, entry: &Arc<Entry>) {
        let fronts = std::mem::take(&mut *entry.fronts.lock().unwrap_or_else(PoisonError::into_inner));
        for hash in fronts {
            let removed = {
                let mut part = self.part(hash).write().unwrap_or_else(PoisonError::into_inner);
                part.find_entry(hash, |record| Arc::ptr_eq(&record.entry, entry))
                    .ok()
                    .map(|found| found.remove().0)
            };
            drop(removed);
        }
    }

    /// The number of records.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.parts
            .iter()
            .map(|part| part.0.read().unwrap_or_else(PoisonError::into_inner).len())
            .sum()
    }
}
