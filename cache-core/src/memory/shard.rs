//! One part of the memory tier: its entries, and the loads that run for its keys, under one lock.
//! Entries and loads share the lock so that an invalidation and a commit cannot pass each other unseen.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use hashbrown::HashTable;
use hashbrown::hash_table;

use super::order::{MOST_USES, Order, Rank};
use crate::codec::{Encoded, Value};
use crate::config::EvictionPolicy;
use crate::flight::Flight;
use crate::generations::Snapshot;
use crate::stats::Counters;

/// What an entry holds.
#[derive(Clone)]
pub(crate) enum Content {
    /// The value of a function, as it is.
    Value(Value),
    /// Bytes that somebody stored under a raw key, and the first type that they were asked for as.
    Encoded(Arc<Encoded>),
    /// A function's `None`.
    Absent,
}

/// An entry in memory. Times are in milliseconds by the clock of this process.
pub(crate) struct Entry {
    pub(crate) key: Arc<str>,
    pub(crate) hash: u64,
    pub(crate) content: Content,
    pub(crate) fresh_until: u64,
    pub(crate) serve_until: u64,
    /// The number of the load that it is from.
    pub(crate) number: u64,
    /// The tags it was loaded under.
    pub(crate) generations: Box<[Snapshot]>,
    /// An estimate in bytes.
    pub(crate) weight: u64,
    /// Whether it is in no other tier.
    pub(crate) local: bool,
    /// The function it belongs to.
    pub(crate) owner: Option<Arc<Counters>>,
    pub(super) id: u64,
    pub(super) rank: AtomicU64,
    pub(super) uses: AtomicU32,
}

impl Entry {
    #[inline]
    pub(crate) fn stands(&self) -> bool {
        self.generations.is_empty() || self.generations.iter().all(Snapshot::stands)
    }
}

pub(super) struct Shard {
    pub(super) entries: HashTable<Entry>,
    pub(super) flights: HashTable<Arc<Flight>>,
    order: Order,
    policy: EvictionPolicy,
    /// Counts uses for `Lru`; holds the rank of the last victim for `Lfu`.
    pace: AtomicU64,
    ids: u64,
    /// Where the search for expired entries goes on.
    swept: usize,
    pub(super) bytes: u64,
}

impl Shard {
    pub(super) fn new(policy: EvictionPolicy) -> Self {
        Self {
            entries: HashTable::new(),
            flights: HashTable::new(),
            order: Order::new(policy),
            policy,
            pace: AtomicU64::new(0),
            ids: 0,
            swept: 0,
            bytes: 0,
        }
    }

    #[inline]
    pub(super) fn find(&self, hash: u64, key: &[u8]) -> Option<&Entry> {
        self.entries.find(hash, |entry| entry.key.as_bytes() == key)
    }

    /// Notes a use. Two at once may count as one.
    #[inline]
    pub(super) fn touch(&self, entry: &Entry) {
        match self.policy {
            EvictionPolicy::Lru => {
                let now = self.pace.load(Relaxed) + 1;
                self.pace.store(now, Relaxed);
                entry.rank.store(now, Relaxed);
            }
            EvictionPolicy::Lfu => {
                let uses = (u64::from(entry.uses.load(Relaxed)) + 1).min(MOST_USES);
                entry.uses.store(uses as u32, Relaxed);
                entry.rank.store(self.pace.load(Relaxed) + uses, Relaxed);
            }
            EvictionPolicy::Fifo | EvictionPolicy::Random => {}
        }
    }

    /// Puts an entry in. What it replaces comes back. Room has been made before.
    pub(super) fn insert(&mut self, mut entry: Entry) -> Option<Entry> {
        self.bytes += entry.weight;
        match self.entries.entry(entry.hash, |other| *other.key == *entry.key, |other| other.hash) {
            hash_table::Entry::Occupied(mut occupied) => {
                let old = occupied.get_mut();
                entry.id = old.id;
                entry.rank = AtomicU64::new(old.rank.load(Relaxed));
                entry.uses = AtomicU32::new(old.uses.load(Relaxed));
                let old = std::mem::replace(old, entry);
                self.bytes = self.bytes.saturating_sub(old.weight);
                let (hash, id) = (old.hash, old.id);
                if let Some(entry) = self.entries.find(hash, |entry| entry.id == id) {
                    self.touch(entry);
                }
                Some(old)
            }
            hash_table::Entry::Vacant(vacant) => {
                self.ids += 1;
                entry.id = self.ids;
                let pointer = (entry.hash, entry.id);
                vacant.insert(entry);
                let rank = self.find_id(pointer).map_or(0, |entry| {
                    self.touch(entry);
                    entry.rank.load(Relaxed)
                });
                self.order.push(rank, pointer);
                None
            }
        }
    }

    fn find_id(&self, (hash, id): (u64, u64)) -> Option<&Entry> {
        self.entries.find(hash, |entry| entry.id == id)
    }

    /// Takes out the entry that the policy gives up first.
    pub(super) fn evict(&mut self) -> Option<Entry> {
        let entries = &self.entries;
        let rank_of = |(hash, id): (u64, u64)| {
            entries.find(hash, |entry| entry.id == id).map_or(Rank::Gone, |entry| Rank::At(entry.rank.load(Relaxed)))
        };
        let (rank, (hash, id)) = self.order.pop(rank_of)?;
        if self.policy == EvictionPolicy::Lfu {
            self.pace.fetch_max(rank, Relaxed);
        }
        let (entry, _) = self.entries.find_entry(hash, |entry| entry.id == id).ok()?.remove();
        self.bytes = self.bytes.saturating_sub(entry.weight);
        Some(entry)
    }

    pub(super) fn remove(&mut self, hash: u64, key: &str) -> Option<Entry> {
        let (entry, _) = self.entries.find_entry(hash, |entry| *entry.key == *key).ok()?.remove();
        self.bytes = self.bytes.saturating_sub(entry.weight);
        self.tidy();
        Some(entry)
    }

    /// Takes out all entries that `is_meant` picks.
    pub(super) fn remove_where(&mut self, is_meant: impl FnMut(&mut Entry) -> bool) -> Vec<Entry> {
        let removed: Vec<Entry> = self.entries.extract_if(is_meant).collect();
        let weight: u64 = removed.iter().map(|entry| entry.weight).sum();
        self.bytes = self.bytes.saturating_sub(weight);
        self.tidy();
        removed
    }

    pub(super) fn clear(&mut self) -> Vec<Entry> {
        self.order.clear();
        self.bytes = 0;
        self.entries.drain().collect()
    }

    fn tidy(&mut self) {
        let entries = &self.entries;
        self.order.tidy(entries.len(), |(hash, id)| {
            entries.find(hash, |entry| entry.id == id).map_or(Rank::Gone, |entry| Rank::At(entry.rank.load(Relaxed)))
        });
    }

    /// Looks at a few places of the table and takes out what has expired there. A full round takes as many calls
    /// as the table has places, divided by those few.
    pub(super) fn sweep(&mut self, now: u64, removed: &mut Vec<Entry>) {
        let places = self.entries.num_buckets();
        for _ in 0..4.min(places) {
            self.swept = if self.swept + 1 >= places { 0 } else { self.swept + 1 };
            let expired = self
                .entries
                .get_bucket(self.swept)
                .is_some_and(|entry| entry.serve_until <= now || !entry.stands());
            if expired && let Ok(occupied) = self.entries.get_bucket_entry(self.swept) {
                let (entry, _) = occupied.remove();
                self.bytes = self.bytes.saturating_sub(entry.weight);
                removed.push(entry);
            }
        }
        if !removed.is_empty() {
            self.tidy();
        }
    }

    /// The flight of a key that a caller may share.
    pub(super) fn flight(&self, hash: u64, key: &str) -> Option<&Arc<Flight>> {
        self.flights.find(hash, |flight| flight.is_shared() && *flight.key == *key)
    }

    pub(super) fn add_flight(&mut self, flight: Arc<Flight>) {
        self.flights.insert_unique(flight.hash, flight, |flight| flight.hash);
    }

    pub(super) fn drop_flight(&mut self, flight: &Arc<Flight>) {
        if let Ok(found) = self.flights.find_entry(flight.hash, |other| Arc::ptr_eq(other, flight)) {
            found.remove();
        }
    }

    /// Fences and forgets the flights of a key, so that their results are stored nowhere and nobody else joins them.
    pub(super) fn fence(&mut self, hash: u64, key: &str) {
        while let Ok(found) = self.flights.find_entry(hash, |flight| *flight.key == *key) {
            found.get().fence();
            found.remove();
        }
    }

    pub(super) fn fence_where(&mut self, is_meant: impl Fn(&str) -> bool) {
        self.flights.retain(|flight| {
            let meant = is_meant(&flight.key);
            if meant {
                flight.fence();
            }
            !meant
        });
    }
}
