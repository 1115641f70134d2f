//! The memory tier: typed values in shards, bounded by entries and bytes, and the loads that run for their keys.
//! It knows neither functions nor Redis. Invariants: a hit takes a read lock and allocates nothing; what an
//! invalidation has fenced is not stored; no value is dropped under a lock.

mod front;
mod order;
mod shard;

use std::hash::{BuildHasher, Hasher};
use std::sync::{Arc, PoisonError};

use front::Front;
pub(crate) use shard::Entry;
use shard::Shard;

use crate::codec::Content;
use crate::config::Config;
use crate::flight::{Flight, Joined, Lead, Terms};
use crate::generations::Snapshot;
use crate::stats::Counters;
use crate::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use crate::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use crate::{clock, glob, key};

/// What an entry costs beyond its key and its value, in bytes, for the bound by bytes.
const OVERHEAD: u64 = 128;

/// What keys are hashed with: another number in each process, so that nobody can choose keys that collide.
#[cfg(not(test))]
type Seed = foldhash::fast::RandomState;
/// The same number always, as the order in which loads of one key are woken depends on it.
#[cfg(test)]
type Seed = foldhash::fast::FixedState;

/// A shard on cache lines of its own.
#[repr(align(128))]
struct Aligned(RwLock<Shard>);

pub(crate) struct MemoryStore {
    shards: Box<[Aligned]>,
    front: Front,
    seed: Seed,
    max_entries: usize,
    max_bytes: u64,
    entries: AtomicUsize,
    bytes: AtomicU64,
    loads: AtomicU64,
    /// How long what is also in another tier may be held, in milliseconds: less while invalidations are missed.
    patience: AtomicU64,
}

/// A new entry, before it has a place.
#[derive(Clone)]
pub(crate) struct Draft {
    pub(crate) content: Content,
    /// When the value was loaded.
    pub(crate) born: u64,
    /// Until when memory may take it to be fresh.
    pub(crate) fresh_until: u64,
    /// Until when the value itself is fresh, whatever memory may hold it for.
    pub(crate) value_until: u64,
    /// Until when it may be served at all.
    pub(crate) serve_until: u64,
    /// Until when the function should not be tried again; 0 when it has not failed.
    pub(crate) retry_at: u64,
    /// When it is to be refreshed though it is fresh.
    pub(crate) refresh_at: u64,
    pub(crate) generations: Arc<[Snapshot]>,
    /// The length of the value in bytes, as far as it is known.
    pub(crate) size: usize,
    pub(crate) local: bool,
    /// Whether it was read from another tier, and not loaded for this entry.
    pub(crate) read: bool,
    pub(crate) owner: Arc<Counters>,
}

/// What became of a load's result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Committed {
    Stored,
    /// It was invalidated, is too large, or may not be held.
    Refused,
    /// The result of a newer load is there.
    Outrun,
}

/// What a caller that found no fresh entry is to do.
pub(crate) enum Admission {
    /// The entry has come meanwhile.
    Ready,
    Joined(Joined),
}

impl MemoryStore {
    pub(crate) fn new(config: &Config) -> Self {
        let shards = config.shards.unwrap_or_else(|| {
            let cores = std::thread::available_parallelism().map_or(4, usize::from);
            // A shard with few entries would evict by chance more than by policy.
            (cores * 4)
                .next_power_of_two()
                .min(prev_power_of_two(config.max_entries / 256))
        });
        Self {
            front: Front::new(shards),
            shards: (0..shards)
                .map(|_| Aligned(RwLock::new(Shard::new(config.eviction))))
                .collect(),
            seed: Seed::default(),
            max_entries: config.max_entries,
            max_bytes: config.max_bytes.unwrap_or(u64::MAX),
            entries: AtomicUsize::new(0),
            bytes: AtomicU64::new(0),
            loads: AtomicU64::new(1),
            patience: AtomicU64::new(u64::MAX),
        }
    }

    /// Whether sizes in bytes matter.
    pub(crate) fn weighs(&self) -> bool {
        self.max_bytes != u64::MAX
    }

    pub(crate) fn hash(&self, key: impl AsRef<[u8]>) -> u64 {
        let mut hasher = self.seed.build_hasher();
        hasher.write(key.as_ref());
        hasher.finish()
    }

    #[inline]
    fn shard(&self, hash: u64) -> &RwLock<Shard> {
        // The table uses the low bits and the highest seven; these are in between.
        &self.shards[(hash >> 32) as usize & (self.shards.len() - 1)].0
    }

    #[inline]
    fn read_shard(&self, hash: u64) -> RwLockReadGuard<'_, Shard> {
        self.shard(hash).read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_shard(&self, hash: u64) -> RwLockWriteGuard<'_, Shard> {
        self.shard(hash).write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the fresh entry of a function's arguments, if the short way leads to it. `changes` is the number of changes
    /// of generations before. `see` runs under a lock.
    #[inline]
    pub(crate) fn front<R>(
        &self,
        arguments: &[u8],
        changes: u64,
        see: impl FnOnce(&Entry, &Counters) -> R,
    ) -> Option<R> {
        self.front.fresh(arguments, changes, see)
    }

    /// Has the short way lead to the entry of a key.
    pub(crate) fn link(&self, arguments: &[u8], hash: u64, key: &str, counters: &Arc<Counters>) {
        let entry = self.read_shard(hash).find(hash, key.as_bytes()).map(Arc::clone);
        if let Some(entry) = entry {
            self.front.link(arguments, &entry, counters);
        }
    }

    /// Looks at the fresh entry of a key. `see` runs under the lock.
    pub(crate) fn fresh<R>(&self, hash: u64, key: &str, see: impl FnOnce(&Entry) -> R) -> Option<R> {
        let shard = self.read_shard(hash);
        let entry = shard
            .find(hash, key.as_bytes())
            .filter(|entry| entry.is_fresh())?;
        entry.touch();
        Some(see(entry))
    }

    /// Looks at the entry of a key, fresh or stale, without counting it as a use. `see` runs under the lock.
    pub(crate) fn any<R>(&self, hash: u64, key: &str, see: impl FnOnce(&Entry) -> R) -> Option<R> {
        let shard = self.read_shard(hash);
        shard
            .find(hash, key.as_bytes())
            .filter(|entry| entry.is_servable())
            .map(|entry| see(entry))
    }

    /// Wakes the loads of a key that wait for another process.
    pub(crate) fn call(&self, key: &str) {
        let hash = self.hash(key);
        self.read_shard(hash).call(hash, key);
    }

    /// Wakes all loads that wait for another process.
    #[cfg(feature = "redis")]
    pub(crate) fn call_all(&self) {
        for shard in &self.shards {
            let shard = shard.0.read().unwrap_or_else(PoisonError::into_inner);
            shard.flights.iter().for_each(|flight| flight.call());
        }
    }

    /// Has the function of an entry left in peace until then.
    pub(crate) fn retry_later(&self, hash: u64, key: &str, until: u64) {
        if let Some(entry) = self.read_shard(hash).find(hash, key.as_bytes()) {
            entry.retry_later(until);
        }
    }

    /// Lets go of entries that have left. They are dropped here, under no lock.
    fn bury(&self, dead: Vec<Arc<Entry>>) {
        for entry in dead {
            self.front.unlink(&entry);
        }
    }

    /// Joins the load of a key or begins it. With `fresh_wanted`, an entry that has come meanwhile is found first.
    pub(crate) fn admit(
        &self,
        hash: u64,
        key: &Arc<str>,
        fresh_wanted: bool,
        terms: &Terms<'_>,
    ) -> Admission {
        let mut shard = self.write_shard(hash);
        if fresh_wanted
            && let Some(entry) = shard.find(hash, key.as_bytes())
            && entry.is_fresh()
        {
            return Admission::Ready;
        }
        let alone = match shard.flight(hash, key) {
            // A function that calls itself on its own key would wait for itself.
            Some(flight) if flight.is_ours() => true,
            Some(flight) => return Admission::Joined(flight.join()),
            None => false,
        };
        let lead = Flight::start(
            Arc::clone(key),
            hash,
            self.loads.fetch_add(1, Ordering::Relaxed),
            !alone,
            terms,
        );
        shard.add_flight(Arc::clone(lead.flight()));
        Admission::Joined(Joined::Lead(lead))
    }

    /// Begins a load that nobody shares.
    pub(crate) fn load_alone(&self, hash: u64, key: impl Into<Arc<str>>, terms: &Terms<'_>) -> Lead {
        let lead = Flight::start(
            key.into(),
            hash,
            self.loads.fetch_add(1, Ordering::Relaxed),
            false,
            terms,
        );
        self.write_shard(hash).add_flight(Arc::clone(lead.flight()));
        lead
    }

    /// Lets nobody else join a flight.
    pub(crate) fn close(&self, flight: &Arc<Flight>) {
        let shard = self.write_shard(flight.hash);
        flight.close();
        drop(shard);
    }

    /// Forgets a flight that has come to its end. As no invalidation finds it any more, nothing of it is stored after.
    pub(crate) fn land(&self, flight: &Arc<Flight>) {
        let mut shard = self.write_shard(flight.hash);
        flight.fence();
        shard.drop_flight(flight);
    }

    /// Forgets a flight that nobody leads and nobody waits for. Gives whether it was such a one.
    pub(crate) fn land_if_idle(&self, flight: &Arc<Flight>) -> bool {
        let mut shard = self.write_shard(flight.hash);
        let idle = flight.is_idle();
        if idle {
            flight.fence();
            shard.drop_flight(flight);
        }
        idle
    }

    /// Stores what a load gave, unless it was fenced or a newer load's result is there.
    pub(crate) fn commit(&self, flight: &Arc<Flight>, draft: Draft) -> Committed {
        self.put(flight.hash, &flight.key, draft, Some(flight))
    }

    /// Stores what a caller says is the value, over whatever is there or on its way.
    pub(crate) fn replace(&self, hash: u64, key: &str, draft: Draft) {
        self.put(hash, &Arc::from(key), draft, None);
    }

    /// Keeps running loads of a key out, and leaves its entry.
    pub(crate) fn fence(&self, hash: u64, key: &str) {
        self.write_shard(hash).fence(hash, key);
    }

    fn put(&self, hash: u64, key: &Arc<str>, mut draft: Draft, flight: Option<&Arc<Flight>>) -> Committed {
        let weight = (key.len() + draft.size) as u64 + OVERHEAD;
        let number = flight.map_or_else(
            || self.loads.fetch_add(1, Ordering::Relaxed),
            |flight| flight.number,
        );
        let fits = weight <= self.max_bytes;
        let mut dead = Vec::new();
        let mut committed = Committed::Refused;
        {
            let mut shard = self.write_shard(hash);
            match flight {
                Some(flight) if !flight.may_be_held() => return Committed::Refused,
                Some(_) => {}
                // Loads that run hold something older than this.
                None => shard.fence(hash, key),
            }
            let before = (shard.entries.len(), shard.bytes);
            shard.sweep(clock::now(), &mut dead);
            // A reader may have begun after a load and have read what was there before it.
            let newer = shard.find(hash, key.as_bytes()).is_some_and(|entry| {
                entry.stands()
                    && (entry.number > number || (draft.read && entry.is_fresh() && entry.born > draft.born))
            });
            if !draft.local {
                let most = clock::now().saturating_add(self.patience.load(Ordering::SeqCst));
                draft.fresh_until = draft.fresh_until.min(most);
                draft.serve_until = draft.serve_until.min(most);
            }
            if newer {
                committed = Committed::Outrun;
            } else if fits {
                self.make_room(&mut shard, before, (hash, key), weight, &mut dead);
                let entry = Entry::new(key, hash, number, weight, draft, &shard.pace);
                dead.extend(shard.insert(entry).1);
                committed = Committed::Stored;
            } else {
                dead.extend(shard.remove(hash, key));
            }
            self.account(before, &shard);
        }
        self.bury(dead);
        self.settle_bounds(hash);
        committed
    }

    /// Evicts in this shard until the new entry fits, or nothing is left in it.
    fn make_room(
        &self,
        shard: &mut Shard,
        before: (usize, u64),
        (hash, key): (u64, &str),
        weight: u64,
        dead: &mut Vec<Arc<Entry>>,
    ) {
        let others = (
            self.entries.load(Ordering::Relaxed).saturating_sub(before.0),
            self.bytes.load(Ordering::Relaxed).saturating_sub(before.1),
        );
        loop {
            // The entry that is replaced may itself be evicted on the way.
            let replaced = shard.find(hash, key.as_bytes()).map(|entry| entry.weight);
            let entries = others.0 + shard.entries.len() + usize::from(replaced.is_none());
            let bytes = (others.1 + shard.bytes)
                .saturating_sub(replaced.unwrap_or(0))
                .saturating_add(weight);
            if entries <= self.max_entries && bytes <= self.max_bytes {
                return;
            }
            let Some(entry) = shard.evict() else { return };
            count_eviction(&entry);
            dead.push(entry);
        }
    }

    fn account(&self, before: (usize, u64), shard: &Shard) {
        let (entries, bytes) = (shard.entries.len(), shard.bytes);
        if entries >= before.0 {
            self.entries.fetch_add(entries - before.0, Ordering::Relaxed);
        } else {
            self.entries.fetch_sub(before.0 - entries, Ordering::Relaxed);
        }
        if bytes >= before.1 {
            self.bytes.fetch_add(bytes - before.1, Ordering::Relaxed);
        } else {
            self.bytes.fetch_sub(before.1 - bytes, Ordering::Relaxed);
        }
    }

    /// Evicts in other shards when the one that grew had nothing left to give.
    fn settle_bounds(&self, hash: u64) {
        let start = (hash >> 32) as usize;
        for step in 1..=self.shards.len() {
            let mut dead = Vec::new();
            let over = || {
                self.entries.load(Ordering::Relaxed) > self.max_entries
                    || self.bytes.load(Ordering::Relaxed) > self.max_bytes
            };
            if !over() {
                return;
            }
            let at = (start + step) & (self.shards.len() - 1);
            let mut shard = self.shards[at].0.write().unwrap_or_else(PoisonError::into_inner);
            while over() {
                let before = (shard.entries.len(), shard.bytes);
                let Some(entry) = shard.evict() else { break };
                count_eviction(&entry);
                dead.push(entry);
                self.account(before, &shard);
            }
            drop(shard);
            self.bury(dead);
        }
    }

    /// Keeps running loads of a key out, and takes its entry away. Gives the entry if it could be served.
    pub(crate) fn remove(&self, hash: u64, key: &str) -> Option<Arc<Entry>> {
        let mut shard = self.write_shard(hash);
        shard.fence(hash, key);
        let before = (shard.entries.len(), shard.bytes);
        let entry = shard.remove(hash, key);
        self.account(before, &shard);
        drop(shard);
        self.bury(entry.iter().map(Arc::clone).collect());
        entry.filter(|entry| entry.is_servable())
    }

    /// Takes away the copy of what was written elsewhere. Loads that run may have read what was there before, so they are kept out
    /// of memory. One that holds the key elsewhere can still be joined: whether its result counts is decided there.
    #[cfg(feature = "redis")]
    pub(crate) fn drop_copy(&self, hash: u64, key: &str) {
        let mut shard = self.write_shard(hash);
        for flight in shard.flights.iter_hash(hash).filter(|flight| *flight.key == *key) {
            flight.mute();
            if !flight.is_claimed() {
                flight.close();
            }
        }
        let is_copy = shard.find(hash, key.as_bytes()).is_some_and(|entry| !entry.local);
        if !is_copy {
            return;
        }
        let before = (shard.entries.len(), shard.bytes);
        let entry = shard.remove(hash, key);
        self.account(before, &shard);
        drop(shard);
        self.bury(entry.into_iter().collect());
    }

    /// Takes away the entries whose keys match a pattern, and keeps running loads of such keys out.
    pub(crate) fn remove_matching(&self, pattern: &str) -> Vec<Arc<Entry>> {
        let prefix = glob::literal_prefix(pattern);
        let kept = prefix.len().min(256);
        self.remove_where(|key| {
            glob::matches(pattern.as_bytes(), key.as_bytes())
                // What is behind the digest of a long key is not known, so it is taken to match.
                || (key::is_shortened(key) && key.as_bytes().starts_with(&prefix.as_bytes()[..kept]))
        })
    }

    fn remove_where(&self, is_meant: impl Fn(&str) -> bool) -> Vec<Arc<Entry>> {
        let mut removed = Vec::new();
        for shard in &self.shards {
            let mut shard = shard.0.write().unwrap_or_else(PoisonError::into_inner);
            shard.fence_where(&is_meant);
            let before = (shard.entries.len(), shard.bytes);
            removed.extend(shard.remove_where(|entry| is_meant(&entry.key)));
            self.account(before, &shard);
        }
        self.bury(removed.clone());
        removed.retain(|entry| entry.is_servable());
        removed
    }

    /// Takes everything away and keeps all running loads out.
    pub(crate) fn clear(&self) {
        for shard in &self.shards {
            let mut shard = shard.0.write().unwrap_or_else(PoisonError::into_inner);
            shard.fence_where(|_| true);
            let before = (shard.entries.len(), shard.bytes);
            let dead = shard.clear();
            self.account(before, &shard);
            drop(shard);
            self.bury(dead);
        }
    }

    /// Takes away what is also in another tier, and keeps running loads out: they may have missed something, so that nobody
    /// else joins them either.
    #[cfg(feature = "redis")]
    pub(crate) fn drop_shared(&self) {
        self.patience.store(u64::MAX, Ordering::SeqCst);
        for shard in &self.shards {
            let mut shard = shard.0.write().unwrap_or_else(PoisonError::into_inner);
            shard.flights.iter().for_each(|flight| {
                flight.mute();
                flight.close();
            });
            let before = (shard.entries.len(), shard.bytes);
            let dead = shard.remove_where(|entry| !entry.local);
            self.account(before, &shard);
            drop(shard);
            self.bury(dead);
        }
    }

    /// Has what is also in another tier expire after so many milliseconds at the latest: `most` for what comes from now on,
    /// `left` for what is there.
    #[cfg(feature = "redis")]
    pub(crate) fn shorten(&self, most: u64, left: u64) {
        self.patience.store(most, Ordering::SeqCst);
        let until = clock::now().saturating_add(left);
        for shard in &self.shards {
            let shard = shard.0.write().unwrap_or_else(PoisonError::into_inner);
            for entry in shard.entries.iter().filter(|entry| !entry.local) {
                entry.shorten(until);
            }
        }
    }

    /// The number of entries, those included that have expired and were not found yet.
    pub(crate) fn len(&self) -> usize {
        self.entries.load(Ordering::Relaxed)
    }

    /// The estimate of bytes in all entries.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Whether a load of a key runs, shared or not.
    #[cfg(test)]
    pub(crate) fn is_loading(&self, key: &str) -> bool {
        let hash = self.hash(key);
        let shard = self.read_shard(hash);
        shard.flights.iter_hash(hash).any(|flight| *flight.key == *key)
    }

    /// Registers a flight as if it had begun only now, where that fault is planted.
    #[cfg(test)]
    pub(crate) fn register_late(&self, flight: &Arc<Flight>) {
        if crate::planted::planted(crate::planted::Bug::FenceAfterRead) {
            let mut shard = self.write_shard(flight.hash);
            shard.drop_flight(flight);
            flight.unfence();
            shard.add_flight(Arc::clone(flight));
        }
    }

    /// The number of loads that run.
    pub(crate) fn flights(&self) -> usize {
        self.shards
            .iter()
            .map(|shard| {
                shard
                    .0
                    .read()
                    .unwrap_or_else(PoisonError::into_inner)
                    .flights
                    .len()
            })
            .sum()
    }
}

fn count_eviction(entry: &Entry) {
    entry.owner.evictions.fetch_add(1, Ordering::Relaxed);
}

fn prev_power_of_two(n: usize) -> usize {
    if n == 0 { 1 } else { 1 << n.ilog2() }
}

#[cfg(test)]
#[cfg(shuttle)]
mod interleavings;
#[cfg(test)]
#[cfg(not(shuttle))]
mod tests;
