//! One part of the memory tier: its entries, and the loads that run for its keys, under one lock.
//! Entries and loads share the lock so that an invalidation and a commit cannot pass each other unseen.

use std::sync::Arc;

use hashbrown::HashTable;
use hashbrown::hash_table;

use super::Draft;
use super::order::{MOST_USES, Order, Rank};
use crate::clock;
use crate::codec::Content;
use crate::config::EvictionPolicy;
use crate::flight::Flight;
use crate::generations::Snapshot;
use crate::planted::{Bug, planted};
use crate::stats::Counters;
use crate::sync::Mutex;
use crate::sync::atomic::{
    AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed, SeqCst},
};

/// An entry in memory. Times are in milliseconds by the clock of this process.
pub(crate) struct Entry {
    pub(crate) key: Arc<str>,
    pub(crate) hash: u64,
    pub(crate) content: Content,
    /// Zero, set under the lock of its shard, once it has left.
    fresh_until: AtomicU64,
    /// Until when the short way may lead here: as long as it is fresh, or until it is due for a refresh.
    quick_until: AtomicU64,
    /// When the value was loaded.
    pub(crate) born: u64,
    /// When the value itself stops being fresh, whatever memory may hold it for.
    pub(crate) value_until: u64,
    serve_until: AtomicU64,
    /// Until when the function should not be tried again, because it has failed; 0 when it has not.
    retry_at: AtomicU64,
    /// The number of the load that it is from.
    pub(crate) number: u64,
    /// The number of changes of generations at which those it was loaded under were last seen to stand, and one more.
    stood_at: AtomicU64,
    /// What it was loaded under.
    pub(crate) generations: Arc<[Snapshot]>,
    /// An estimate in bytes.
    pub(crate) weight: u64,
    /// Whether it is in no other tier.
    pub(crate) local: bool,
    /// The function it belongs to.
    pub(crate) owner: Arc<Counters>,
    /// Where the short ways to it start: one for each function that uses its key.
    pub(super) fronts: Mutex<Vec<u64>>,
    pub(super) id: u64,
    pub(super) rank: AtomicU64,
    pub(super) uses: AtomicU32,
    pub(super) pace: Arc<Pace>,
}

/// What the uses of the entries of one shard are measured by.
pub(super) struct Pace {
    policy: EvictionPolicy,
    /// Counts uses for `Lru`; holds the rank of the last victim for `Lfu`.
    count: AtomicU64,
}

impl Entry {
    pub(super) fn new(
        key: &Arc<str>,
        hash: u64,
        number: u64,
        weight: u64,
        draft: Draft,
        pace: &Arc<Pace>,
    ) -> Self {
        Self {
            key: Arc::clone(key),
            hash,
            content: draft.content,
            fresh_until: AtomicU64::new(draft.fresh_until.max(1)),
            quick_until: AtomicU64::new(draft.fresh_until.min(draft.refresh_at).max(1)),
            born: draft.born,
            value_until: draft.value_until,
            serve_until: AtomicU64::new(draft.serve_until),
            retry_at: AtomicU64::new(draft.retry_at),
            number,
            stood_at: AtomicU64::new(0),
            generations: draft.generations,
            weight,
            local: draft.local,
            owner: draft.owner,
            fronts: Mutex::new(Vec::new()),
            id: 0,
            rank: AtomicU64::new(0),
            uses: AtomicU32::new(0),
            pace: Arc::clone(pace),
        }
    }

    /// Until when it is fresh.
    pub(crate) fn fresh_until(&self) -> u64 {
        self.fresh_until.load(Relaxed)
    }

    /// Until when it may be served at all.
    pub(crate) fn serve_until(&self) -> u64 {
        self.serve_until.load(Relaxed)
    }

    /// Until when the function should not be tried again.
    pub(crate) fn retry_at(&self) -> u64 {
        self.retry_at.load(Relaxed)
    }

    /// Has the function left in peace until then.
    pub(super) fn retry_later(&self, until: u64) {
        self.retry_at.fetch_max(until, Relaxed);
    }

    /// Whether it is due for a refresh. Of all who ask until `next`, one is told so.
    pub(crate) fn is_due(&self, next: u64) -> bool {
        let due = self.quick_until.load(SeqCst);
        let next = next.min(self.fresh_until());
        clock::now() >= due
            && due != 0
            && next > due
            && self
                .quick_until
                .compare_exchange(due, next, SeqCst, SeqCst)
                .is_ok()
    }

    /// Whether the short way may lead here, given the number of changes of generations.
    #[inline]
    pub(super) fn is_quick(&self, changes: u64) -> bool {
        clock::now() < self.quick_until.load(Acquire)
            && (self.stood_at.load(Relaxed) == changes + 1 || self.stands_at(changes))
    }

    #[cold]
    fn stands_at(&self, changes: u64) -> bool {
        let stands = self.stands();
        if stands {
            self.stood_at.store(changes + 1, Relaxed);
        }
        stands
    }

    pub(super) fn is_fresh(&self) -> bool {
        clock::now() < self.fresh_until.load(Acquire) && self.stands()
    }

    pub(super) fn is_servable(&self) -> bool {
        clock::now() < self.serve_until() && self.stands()
    }

    fn leave(&self) {
        self.fresh_until.store(0, SeqCst);
        self.quick_until.store(0, SeqCst);
    }

    /// Whether it has left the tier.
    pub(super) fn has_left(&self) -> bool {
        self.fresh_until.load(SeqCst) == 0
    }

    /// Has it expire by `until` at the latest.
    #[cfg(feature = "redis")]
    pub(super) fn shorten(&self, until: u64) {
        self.fresh_until.fetch_min(until.max(1), SeqCst);
        self.quick_until.fetch_min(until.max(1), SeqCst);
        self.serve_until.fetch_min(until, Relaxed);
    }

    /// Notes a use. Two at once may count as one.
    #[inline]
    pub(super) fn touch(&self) {
        match self.pace.policy {
            EvictionPolicy::Lru => {
                let last = self.pace.count.load(Relaxed);
                // Nothing is written for the entry that was used last, so that a hot one stays in all caches.
                if self.rank.load(Relaxed) != last {
                    self.pace.count.store(last + 1, Relaxed);
                    self.rank.store(last + 1, Relaxed);
                }
            }
            EvictionPolicy::Lfu => {
                let uses = (u64::from(self.uses.load(Relaxed)) + 1).min(MOST_USES);
                let rank = self.pace.count.load(Relaxed) + uses;
                // Nothing is written for an entry that has reached the top.
                if self.rank.load(Relaxed) != rank {
                    self.uses.store(uses as u32, Relaxed);
                    self.rank.store(rank, Relaxed);
                }
            }
            EvictionPolicy::Fifo | EvictionPolicy::Random => {}
        }
    }

    #[inline]
    pub(crate) fn stands(&self) -> bool {
        self.generations.is_empty() || self.generations.iter().all(Snapshot::stands)
    }
}

pub(super) struct Shard {
    pub(super) entries: HashTable<Arc<Entry>>,
    pub(super) flights: HashTable<Arc<Flight>>,
    order: Order,
    pub(super) pace: Arc<Pace>,
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
            pace: Arc::new(Pace {
                policy,
                // An entry that was never used has rank 0, which is not the rank of the last one used.
                count: AtomicU64::new(u64::from(policy == EvictionPolicy::Lru)),
            }),
            ids: 0,
            swept: 0,
            bytes: 0,
        }
    }

    #[inline]
    pub(super) fn find(&self, hash: u64, key: &[u8]) -> Option<&Arc<Entry>> {
        self.entries.find(hash, |entry| entry.key.as_bytes() == key)
    }

    /// Puts an entry in. What it replaces comes back. Room has been made before.
    pub(super) fn insert(&mut self, mut entry: Entry) -> (Arc<Entry>, Option<Arc<Entry>>) {
        self.bytes += entry.weight;
        let hash = entry.hash;
        match self
            .entries
            .entry(hash, |other| *other.key == *entry.key, |other| other.hash)
        {
            hash_table::Entry::Occupied(mut occupied) => {
                let old = occupied.get_mut();
                entry.id = old.id;
                entry.rank = AtomicU64::new(old.rank.load(Relaxed));
                entry.uses = AtomicU32::new(old.uses.load(Relaxed));
                let entry = Arc::new(entry);
                let old = std::mem::replace(old, Arc::clone(&entry));
                self.bytes = self.bytes.saturating_sub(old.weight);
                old.leave();
                entry.touch();
                (entry, Some(old))
            }
            hash_table::Entry::Vacant(vacant) => {
                self.ids += 1;
                entry.id = self.ids;
                let entry = Arc::new(entry);
                vacant.insert(Arc::clone(&entry));
                entry.touch();
                self.order.push(entry.rank.load(Relaxed), (hash, entry.id));
                (entry, None)
            }
        }
    }

    fn left(&mut self, entry: Arc<Entry>) -> Arc<Entry> {
        self.bytes = self.bytes.saturating_sub(entry.weight);
        entry.leave();
        entry
    }

    /// Takes out the entry that the policy gives up first.
    pub(super) fn evict(&mut self) -> Option<Arc<Entry>> {
        let entries = &self.entries;
        let rank_of = |(hash, id): (u64, u64)| {
            entries
                .find(hash, |entry| entry.id == id)
                .map_or(Rank::Gone, |entry| Rank::At(entry.rank.load(Relaxed)))
        };
        let (rank, (hash, id)) = self.order.pop(rank_of)?;
        if self.pace.policy == EvictionPolicy::Lfu {
            self.pace.count.fetch_max(rank, Relaxed);
        }
        let (entry, _) = self
            .entries
            .find_entry(hash, |entry| entry.id == id)
            .ok()?
            .remove();
        Some(self.left(entry))
    }

    pub(super) fn remove(&mut self, hash: u64, key: &str) -> Option<Arc<Entry>> {
        let (entry, _) = self
            .entries
            .find_entry(hash, |entry| *entry.key == *key)
            .ok()?
            .remove();
        self.tidy();
        Some(self.left(entry))
    }

    /// Takes out all entries that `is_meant` picks.
    pub(super) fn remove_where(&mut self, is_meant: impl Fn(&Entry) -> bool) -> Vec<Arc<Entry>> {
        let removed: Vec<Arc<Entry>> = self.entries.extract_if(|entry| is_meant(entry)).collect();
        self.tidy();
        removed.into_iter().map(|entry| self.left(entry)).collect()
    }

    pub(super) fn clear(&mut self) -> Vec<Arc<Entry>> {
        self.order.clear();
        let removed: Vec<Arc<Entry>> = self.entries.drain().collect();
        removed.into_iter().map(|entry| self.left(entry)).collect()
    }

    fn tidy(&mut self) {
        let entries = &self.entries;
        self.order.tidy(entries.len(), |(hash, id)| {
            entries
                .find(hash, |entry| entry.id == id)
                .map_or(Rank::Gone, |entry| Rank::At(entry.rank.load(Relaxed)))
        });
    }

    /// Looks at a few places of the table and takes out what has expired there. A full round takes as many calls
    /// as the table has places, divided by those few.
    pub(super) fn sweep(&mut self, now: u64, removed: &mut Vec<Arc<Entry>>) {
        let places = self.entries.num_buckets();
        for _ in 0..4.min(places) {
            self.swept = if self.swept + 1 >= places {
                0
            } else {
                self.swept + 1
            };
            let expired = self
                .entries
                .get_bucket(self.swept)
                .is_some_and(|entry| entry.serve_until() <= now || !entry.stands());
            if expired && let Ok(occupied) = self.entries.get_bucket_entry(self.swept) {
                let (entry, _) = occupied.remove();
                removed.push(self.left(entry));
            }
        }
        if !removed.is_empty() {
            self.tidy();
        }
    }

    /// The flight of a key that a caller may share.
    pub(super) fn flight(&self, hash: u64, key: &str) -> Option<&Arc<Flight>> {
        self.flights
            .find(hash, |flight| flight.is_shared() && *flight.key == *key)
    }

    /// Tells the loads of a key that something was heard about it.
    pub(super) fn call(&self, hash: u64, key: &str) {
        self.flights
            .iter_hash(hash)
            .filter(|flight| *flight.key == *key)
            .for_each(|flight| flight.call());
    }

    pub(super) fn add_flight(&mut self, flight: Arc<Flight>) {
        self.flights
            .insert_unique(flight.hash, flight, |flight| flight.hash);
    }

    pub(super) fn drop_flight(&mut self, flight: &Arc<Flight>) {
        if let Ok(found) = self.flights.find_entry(flight.hash, |other| {
            Arc::ptr_eq(other, flight) || planted(Bug::FlightByKey) && other.key == flight.key
        }) {
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
