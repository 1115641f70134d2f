//! Where policy, tiers and loads meet: what happens between a call and its value.
//! It is compiled once, whatever the types; `shape` and `call` are the thin typed layer over it. Invariant: no error
//! of a tier leaves here; a function whose cache is gone runs as if it had none.

pub(crate) mod call;
#[cfg(feature = "redis")]
mod coherence;
pub(crate) mod current;
pub(crate) mod forced;
pub(crate) mod held;
pub(crate) mod info;
pub(crate) mod load;
mod pending;
pub(crate) mod popular;
pub(crate) mod remove;
pub(crate) mod shape;
pub(crate) mod side_by_side;
pub(crate) mod site;
pub(crate) mod watch;

use std::any::TypeId;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use crate::CacheError;
use crate::codec::{self, Codec, Content, Dates, Encoded};
use crate::config::duration::millis;
use crate::config::{BackendMode, Config};
use crate::entry::{self, Stored, Unreadable};
use crate::generations::{Before, Generation, Generations, Snapshot, fresh_nonce};
use crate::memory::{Draft, MemoryStore};
use crate::remote::{Budget, Remote, Store};
use crate::stats::{Counters, StatsTable};
use crate::{clock, remote};
use remove::generation;
use site::Site;

/// How often a nonce is asked for when each answer comes to nothing, because of an invalidation, or because only now those of
/// other processes are heard.
const MOST_ASKED: u32 = 3;

/// Everything that one manager is.
pub(crate) struct Core {
    pub(crate) config: Config,
    pub(crate) memory: MemoryStore,
    pub(crate) remote: Option<Remote>,
    pub(crate) prefix: String,
    pub(crate) stats: StatsTable,
    pub(crate) generations: Generations,
    pub(crate) popular: popular::Popular,
    pub(crate) pending: pending::Pending,
    /// What the entries of a function can be invalidated by, tags apart, by the number of the function.
    of_functions: RwLock<HashMap<usize, [Arc<Generation>; 2], foldhash::fast::RandomState>>,
    /// The shapes of types, as far as they were asked for.
    shapes: Mutex<HashMap<TypeId, u64>>,
    /// Which tiers a hit in memory may come from, by [`Tier`]; none when the cache is off.
    serves: [AtomicBool; 3],
    closed: AtomicBool,
}

/// Which tiers hold the entries of a function: the option `tier`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tier {
    /// Memory, and Redis where there is one.
    Both,
    /// This process' memory alone.
    Memory,
    /// Redis alone.
    Redis,
}

/// What the shared tier had for a key, as memory is to hold it.
pub(crate) enum Found {
    Fresh(Draft),
    /// It may be served, but is not fresh any more.
    Stale(Draft),
    Nothing,
}

/// What was read from the shared tier.
pub(crate) struct Fetched {
    pub(crate) found: Found,
    /// The head of the bytes that were there.
    pub(crate) seen: Vec<u8>,
    /// Whether these bytes are of no use to anybody, so that they are to go.
    pub(crate) unreadable: bool,
}

impl Fetched {
    pub(crate) const NOTHING: Self = Self {
        found: Found::Nothing,
        seen: Vec::new(),
        unreadable: false,
    };
}

/// Everything about a value that is about to be stored.
pub(crate) struct Keep {
    pub(crate) content: Content,
    /// How long it is fresh, in milliseconds.
    pub(crate) ttl: u64,
    /// How long it may be served after that.
    pub(crate) stale: u64,
    pub(crate) tier: Tier,
    pub(crate) version: u32,
    pub(crate) shape: u64,
    /// How the value is encoded, as entries name it.
    pub(crate) codec: u8,
    pub(crate) generations: Box<[Snapshot]>,
    /// The encoded value, as far as it was made.
    pub(crate) encoded: Option<Vec<u8>>,
    pub(crate) size: usize,
}

impl Core {
    pub(crate) fn new(config: Config, store: Option<Arc<dyn Store>>) -> Result<Self, CacheError> {
        let remote = match (store, &config.redis) {
            _ if config.backend == BackendMode::Memory => None,
            (Some(store), _) => Some(Remote::Store(store)),
            #[cfg(feature = "redis")]
            (None, Some(redis)) => Some(Remote::Redis(Arc::new(remote::redis::RedisTier::new(
                redis,
                &config.full_prefix(),
                config.degraded_ttl,
            )?))),
            _ => None,
        };
        Ok(Self::with_remote(config, remote))
    }

    fn with_remote(config: Config, remote: Option<Remote>) -> Self {
        let core = Self {
            memory: MemoryStore::new(&config),
            remote,
            prefix: config.full_prefix(),
            stats: StatsTable::new(),
            generations: Generations::default(),
            popular: popular::Popular::default(),
            pending: pending::Pending::default(),
            of_functions: RwLock::default(),
            shapes: Mutex::default(),
            serves: Default::default(),
            closed: AtomicBool::new(false),
            config,
        };
        for tier in [Tier::Both, Tier::Memory, Tier::Redis] {
            core.serves[tier as usize].store(core.config.enabled && core.in_memory(tier), Ordering::Relaxed);
        }
        core
    }

    /// A manager of memory with the defaults, which are in range.
    pub(crate) fn defaults() -> Self {
        Self::with_remote(Config::defaults(), None)
    }

    /// Whether functions are cached at all.
    pub(crate) fn is_on(&self) -> bool {
        self.config.enabled && !self.closed.load(Ordering::Relaxed)
    }

    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        self.serves
            .iter()
            .for_each(|serves| serves.store(false, Ordering::Relaxed));
        self.memory.clear();
    }

    /// Whether a hit in memory may be looked for.
    #[inline]
    pub(crate) fn serves(&self, tier: Tier) -> bool {
        self.serves[tier as usize].load(Ordering::Relaxed)
    }

    /// Whether entries of this tier are held in memory.
    pub(crate) fn in_memory(&self, tier: Tier) -> bool {
        // An entry that is for Redis alone is held in memory where there is no Redis.
        match tier {
            Tier::Memory => true,
            Tier::Both => self.config.backend != BackendMode::Redis,
            Tier::Redis => self.remote.is_none(),
        }
    }

    /// The shared tier, for entries of this tier.
    pub(crate) fn shared(&self, tier: Tier) -> Option<&Remote> {
        if tier == Tier::Memory {
            None
        } else {
            self.remote.as_ref()
        }
    }

    pub(crate) fn budget(&self) -> Budget {
        Budget::new(self.config.op_budget)
    }

    pub(crate) fn full_key(&self, key: &str) -> String {
        let mut full = String::with_capacity(self.prefix.len() + key.len());
        full.push_str(&self.prefix);
        full.push_str(key);
        full
    }

    /// Where the nonce of a generation is. A store of the user's own cannot tell it from an entry, so that there it is outside
    /// of what patterns under the prefix match.
    pub(crate) fn generation_key(&self, name: &str) -> String {
        match &self.remote {
            Some(Remote::Store(_)) if !self.prefix.is_empty() => format!("%{}{name}", self.prefix),
            _ => self.full_key(name),
        }
    }

    /// The TTL of a key that nothing was said about: that of its namespace.
    pub(crate) fn default_ttl(&self, key: &str) -> Duration {
        self.config.ttl_of(key.split(':').next().unwrap_or_default())
    }

    /// How long memory may hold an entry, in milliseconds, given how long it lives.
    fn memory_life(&self, life: u64, tier: Tier) -> u64 {
        match self.shared(tier) {
            None => life,
            // What other processes invalidate is not heard of, so it is not held for long.
            Some(remote) if remote.is_deaf() => life
                .min(millis(self.config.memory_ttl))
                .min(millis(self.config.degraded_ttl)),
            Some(_) => life.min(millis(self.config.memory_ttl)),
        }
    }

    /// What memory is to hold of a value that was loaded at `born`. Storing it elsewhere first has taken time, which makes
    /// it no younger.
    pub(crate) fn draft(&self, keep: &Keep, born: u64, owner: &Arc<Counters>) -> Draft {
        let now = clock::now();
        let held_until = |end: u64| now + self.memory_life(end.saturating_sub(now), keep.tier);
        let value_until = born + keep.ttl;
        Draft {
            content: keep.content.clone(),
            born,
            fresh_until: held_until(value_until),
            value_until,
            serve_until: held_until(value_until + keep.stale),
            retry_at: 0,
            refresh_at: u64::MAX,
            generations: keep.generations.clone(),
            size: keep.size,
            local: self.shared(keep.tier).is_none(),
            read: false,
            owner: Arc::clone(owner),
        }
    }

    /// What the shared tier is to hold of a value. Nothing where a generation is not known there: the value could not be
    /// invalidated.
    pub(crate) fn stored(
        &self,
        key: &str,
        keep: &Keep,
        remote: &Remote,
        token: u64,
        payload: Option<Vec<u8>>,
    ) -> Option<Stored> {
        let now = remote.now(|| self.full_key(key));
        let generations: Vec<(String, u64)> = keep
            .generations
            .iter()
            .map(|snapshot| Some((snapshot.generation.name.to_string(), snapshot.nonce?)))
            .collect::<Option<_>>()?;
        let names = generations.iter().map(|(name, _)| name.as_str());
        Some(Stored {
            version: keep.version,
            codec: keep.codec,
            born: now,
            fresh_until: now.saturating_add(keep.ttl),
            serve_until: now.saturating_add(keep.ttl).saturating_add(keep.stale),
            token,
            retry_at: 0,
            shape: keep.shape,
            origin: self.origin(remote, key, names),
            generations,
            payload,
        })
    }

    /// Which runs of which servers an entry depends on: of the one that has it, and of those that have its generations.
    pub(crate) fn origin(
        &self,
        remote: &Remote,
        key: &str,
        generations: impl Iterator<Item: AsRef<str>>,
    ) -> u64 {
        let own = std::iter::once_with(|| self.full_key(key));
        remote.origin(own.chain(generations.map(|name| self.generation_key(name.as_ref()))))
    }

    /// The shape of the values of a codec, found at its first use.
    pub(crate) fn shape_of(&self, codec: Codec) -> u64 {
        let of = (codec.of)();
        let known = |table: &HashMap<TypeId, u64>| table.get(&of).copied();
        if let Some(shape) = known(&self.shapes.lock().unwrap_or_else(PoisonError::into_inner)) {
            return shape;
        }
        let shape = (codec.shape)();
        self.shapes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(of, shape);
        shape
    }

    /// Reads an entry of the shared tier.
    pub(crate) async fn fetch(
        self: &Arc<Self>,
        remote: &Remote,
        key: &str,
        wanted: &Wanted<'_>,
        budget: &mut Budget,
    ) -> Fetched {
        // Redis still has what an invalidation that it did not take was about.
        if !self.pending.is_empty() {
            self.repeat();
            if self.pending.covers(key) {
                return Fetched::NOTHING;
            }
        }
        let full = self.full_key(key);
        let unknown = self.unknown(remote, wanted.names);
        let bytes = if unknown.is_empty() {
            remote.get(&full, budget).await
        } else {
            let (before, asked) = self.questions(remote, &unknown);
            // On its own, as below: a hit has no room to make for what is asked once a minute.
            match Box::pin(remote.get_and_learn(&full, &asked, budget)).await {
                Ok((bytes, nonces)) => {
                    learn(&unknown, &before, &nonces);
                    Ok(bytes)
                }
                Err(unavailable) => Err(unavailable),
            }
        };
        match bytes {
            Ok(Some(bytes)) => self.decode(remote, key, bytes, wanted, budget).await,
            Ok(None) | Err(_) => Fetched::NOTHING,
        }
    }

    /// Makes a value of the bytes of the shared tier.
    pub(crate) async fn decode(
        &self,
        remote: &Remote,
        key: &str,
        bytes: Vec<u8>,
        wanted: &Wanted<'_>,
        budget: &mut Budget,
    ) -> Fetched {
        let mut fetched = Fetched {
            seen: entry::head(&bytes).to_vec(),
            ..Fetched::NOTHING
        };
        let length = bytes.len();
        let counters = wanted.counters;
        let namespace = || key.split(':').next();
        let stored = match Stored::read(bytes, key, self.config.max_value_bytes) {
            Ok(stored) => stored,
            Err(Unreadable::Leased) => return fetched,
            Err(reason) => {
                counters.errors.fetch_add(1, Ordering::Relaxed);
                tracing::debug!(%reason, namespace = namespace(), "an entry cannot be read; it counts as a miss");
                fetched.unreadable = true;
                return fetched;
            }
        };
        // Both clocks are read at once: what follows may take a while.
        let (now, local) = (remote.now(|| self.full_key(key)), clock::now());
        if stored.serve_until <= now || wanted.version.is_some_and(|version| version != stored.version) {
            return fetched;
        }
        // A server that was started again or has taken another's place may have lost an invalidation.
        let names = stored.generations.iter().map(|(name, _)| name.as_str());
        if stored.origin != self.origin(remote, key, names) {
            return fetched;
        }
        let has = |name: &str| stored.generations.iter().any(|(other, _)| other == name);
        if !is_meant_for(has, wanted.names) {
            return fetched;
        }
        let Some(generations) = self
            .snapshots_of(remote, &stored.generations, wanted, budget)
            .await
        else {
            return fetched;
        };
        if let Some(codec) = wanted.codec
            && stored.payload.is_some()
            && (stored.codec != codec.format || (stored.shape != 0 && stored.shape != self.shape_of(codec)))
        {
            counters.errors.fetch_add(1, Ordering::Relaxed);
            tracing::debug!(
                namespace = namespace(),
                "an entry was written from a type of another shape or by another codec; it counts as a miss"
            );
            return fetched;
        }
        let size = stored.payload.as_ref().map_or(0, Vec::len);
        let times = stored.born..stored.fresh_until;
        let content = match (stored.payload, wanted.codec) {
            (None, _) => Content::Absent,
            (Some(bytes), None) => Content::Encoded(Arc::new(Encoded {
                bytes,
                decoded: std::sync::OnceLock::new(),
            })),
            (Some(payload), Some(codec)) => match (codec.decode)(&payload) {
                Ok(value) => {
                    (codec.date)(value.as_ref(), Dates::of_stored(&times, now, local));
                    Content::Value(value)
                }
                Err(reason) => {
                    counters.errors.fetch_add(1, Ordering::Relaxed);
                    tracing::debug!(
                        reason,
                        namespace = namespace(),
                        "an entry does not decode; it counts as a miss"
                    );
                    // What is of another type only may be what somebody else asks for.
                    fetched.unreadable = codec.sole || !codec::is_well_formed(&payload);
                    return fetched;
                }
            },
        };
        counters.bytes.fetch_add(length as u64, Ordering::Relaxed);
        let here = |time: u64| local.saturating_add(time).saturating_sub(now);
        let fresh_for = stored.fresh_until.saturating_sub(now);
        let draft = Draft {
            content,
            born: here(stored.born),
            fresh_until: local + self.memory_life(fresh_for, Tier::Both),
            value_until: here(stored.fresh_until),
            serve_until: local + self.memory_life(stored.serve_until - now, Tier::Both),
            retry_at: if stored.retry_at > now {
                here(stored.retry_at)
            } else {
                0
            },
            refresh_at: u64::MAX,
            generations,
            size,
            local: false,
            read: true,
            owner: Arc::clone(counters),
        };
        fetched.found = if fresh_for == 0 {
            Found::Stale(draft)
        } else {
            Found::Fresh(draft)
        };
        fetched
    }

    /// The snapshots that an entry was stored with, if all of them still stand.
    async fn snapshots_of(
        &self,
        remote: &Remote,
        stored: &[(String, u64)],
        wanted: &Wanted<'_>,
        budget: &mut Budget,
    ) -> Option<Box<[Snapshot]>> {
        let asked: Option<Box<[Snapshot]>> = stored
            .iter()
            .map(|(name, _)| {
                let mut asked = wanted.asked.iter();
                asked.find(|snapshot| *snapshot.generation.name == **name)
            })
            .map(Option::<&Snapshot>::cloned)
            .collect();
        let current = if let Some(asked) = asked {
            asked
        } else {
            let generations: Vec<Arc<Generation>> = stored
                .iter()
                .map(|(name, _)| {
                    let mut known = wanted.names.iter();
                    let known = known.find(|generation| *generation.name == **name);
                    known.map_or_else(|| self.generations.of(name), Arc::clone)
                })
                .collect();
            self.snapshots(Some(remote), &generations, budget).await
        };
        let stand = current
            .iter()
            .zip(stored)
            .all(|(snapshot, (_, nonce))| snapshot.nonce == Some(*nonce));
        stand.then_some(current)
    }

    /// How long what is known of a nonce is taken for granted, in milliseconds.
    fn nonce_age(&self, remote: &Remote) -> u64 {
        // Where no invalidation of others is heard, the shared tier is asked every time.
        if remote.is_deaf() {
            0
        } else {
            millis(self.config.memory_ttl)
        }
    }

    /// Those of some generations whose nonces the shared tier has to be asked for.
    fn unknown(&self, remote: &Remote, generations: &[Arc<Generation>]) -> Vec<Arc<Generation>> {
        let (age, runs) = (self.nonce_age(remote), remote.runs());
        generations
            .iter()
            // The shared tier still has the nonce that an invalidation it did not take is about.
            .filter(|generation| {
                !generation.is_known(age, runs) && !self.pending.covers_generation(&generation.name)
            })
            .cloned()
            .collect()
    }

    /// What the shared tier is asked, and how things stood before.
    fn questions(
        &self,
        remote: &Remote,
        generations: &[Arc<Generation>],
    ) -> (Vec<Before>, Vec<(String, u64)>) {
        let runs = remote.runs();
        generations
            .iter()
            .map(|generation| {
                let question = (self.generation_key(&generation.name), fresh_nonce());
                (generation.before(runs), question)
            })
            .unzip()
    }

    /// How some generations stand. Nonces that the shared tier does not tell are missing.
    pub(crate) async fn snapshots(
        &self,
        remote: Option<&Remote>,
        generations: &[Arc<Generation>],
        budget: &mut Budget,
    ) -> Box<[Snapshot]> {
        let mut missing = false;
        if let Some(remote) = remote {
            let mut unknown = self.unknown(remote, generations);
            for _ in 0..MOST_ASKED {
                if unknown.is_empty() {
                    break;
                }
                let (before, asked) = self.questions(remote, &unknown);
                let Ok(nonces) = Box::pin(remote.learn(&asked, budget)).await else {
                    missing = true;
                    break;
                };
                unknown = learn(&unknown, &before, &nonces);
            }
        }
        self.standing(generations, missing)
    }

    /// How some generations stand, as far as is known here.
    pub(crate) fn standing(&self, generations: &[Arc<Generation>], without_nonces: bool) -> Box<[Snapshot]> {
        generations
            .iter()
            .map(|generation| {
                let known = !without_nonces && !self.pending.covers_generation(&generation.name);
                generation.snapshot(if known { u64::MAX } else { 0 })
            })
            .collect()
    }

    /// The generations of what is stored under a key alone.
    pub(crate) fn generations_of(&self, key: &str, tags: &[String]) -> Vec<Arc<Generation>> {
        let namespace = key.split(':').next().unwrap_or_default();
        let own = [
            self.generations.of(&generation::of_no_function(namespace)),
            self.generations.of(&generation::of_namespace(namespace)),
        ];
        self.with_tags(own, tags)
    }

    /// The generations of what a function stores under a key.
    pub(crate) fn generations_of_function(
        &self,
        site: &Site,
        key: &str,
        tags: &[String],
    ) -> Vec<Arc<Generation>> {
        let namespace = key.split(':').next().unwrap_or_default();
        // A method of a generic type has one number and several namespaces.
        let is_of_key = |own: &[Arc<Generation>; 2]| generation::is_of_namespace(&own[1].name, namespace);
        let table = self.of_functions.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = table.get(&site.id()).filter(|own| is_of_key(own)) {
            return self.with_tags(own.clone(), tags);
        }
        drop(table);
        let own = [
            self.generations
                .of(&generation::of_function(site.path, site.template, namespace)),
            self.generations.of(&generation::of_namespace(namespace)),
        ];
        let mut table = self.of_functions.write().unwrap_or_else(PoisonError::into_inner);
        table.insert(site.id(), own.clone());
        drop(table);
        self.with_tags(own, tags)
    }

    fn with_tags(&self, own: [Arc<Generation>; 2], tags: &[String]) -> Vec<Arc<Generation>> {
        let mut generations = Vec::with_capacity(2 + tags.len());
        generations.extend(own);
        generations.extend(
            tags.iter()
                .map(|tag| self.generations.of(&generation::of_tag(tag))),
        );
        generations
    }

    /// Removes bytes that cannot be read, unless something else has taken their place.
    pub(crate) async fn discard(&self, remote: &Remote, key: &str, fetched: &Fetched, budget: &mut Budget) {
        if fetched.unreadable {
            // It is a miss already; if it cannot be removed now, the next reader tries again.
            let _ = remote.discard(&self.full_key(key), &fetched.seen, budget).await;
        }
    }
}

/// Takes over what the shared tier said. Gives those of which it was not taken over.
fn learn(generations: &[Arc<Generation>], before: &[Before], nonces: &[u64]) -> Vec<Arc<Generation>> {
    generations
        .iter()
        .zip(before)
        .zip(nonces)
        .filter(|((generation, before), nonce)| !generation.learn(**before, **nonce))
        .map(|((generation, _), _)| Arc::clone(generation))
        .collect()
}

/// Whether an entry can be invalidated by all that its reader can be invalidated by: by the namespace and the tags, and by
/// the function, unless there is none. An entry that was stored under the key alone goes with every function.
fn is_meant_for(has: impl Fn(&str) -> bool, wanted: &[Arc<Generation>]) -> bool {
    let Some((function, others)) = wanted.split_first() else {
        return true;
    };
    if !others.iter().all(|generation| has(&generation.name)) {
        return false;
    }
    has(&function.name) || {
        let namespace = others.first().and_then(|name| name.name.strip_prefix("%ns:"));
        has(&generation::of_no_function(namespace.unwrap_or_default()))
    }
}

/// Under what terms an entry of the shared tier is of use.
pub(crate) struct Wanted<'a> {
    pub(crate) codec: Option<Codec>,
    pub(crate) version: Option<u32>,
    /// The generations that the reader can be invalidated by, that of the function and that of the namespace first; none
    /// for one who takes what there is.
    pub(crate) names: &'a [Arc<Generation>],
    /// How some of them stand, of which the shared tier was asked for this very read.
    pub(crate) asked: &'a [Snapshot],
    pub(crate) counters: &'a Arc<Counters>,
}
