//! Where policy, tiers and loads meet: what happens between a call and its value.
//! It is compiled once, whatever the types; `shape` and `call` are the thin typed layer over it. Invariant: no error
//! of a tier leaves here; a function whose cache is gone runs as if it had none.

pub(crate) mod call;
#[cfg(feature = "redis")]
mod coherence;
pub(crate) mod current;
pub(crate) mod load;
pub(crate) mod popular;
pub(crate) mod remove;
pub(crate) mod shape;
pub(crate) mod site;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::CacheError;
use crate::codec::{Codec, Encoded};
use crate::config::duration::millis;
use crate::config::{BackendMode, Config};
use crate::entry::Stored;
use crate::generations::{Generations, Snapshot};
use crate::memory::{Content, Draft, MemoryStore};
use crate::remote::{Budget, Remote, Store};
use crate::stats::{Counters, StatsTable};
use crate::{clock, remote};

/// Everything that one manager is.
pub(crate) struct Core {
    pub(crate) config: Config,
    pub(crate) memory: MemoryStore,
    pub(crate) remote: Option<Remote>,
    pub(crate) prefix: String,
    pub(crate) stats: StatsTable,
    pub(crate) generations: Generations,
    pub(crate) popular: popular::Popular,
    pub(crate) pending: remove::Pending,
    /// Which tiers a hit in memory may come from, by [`Tier`]; none when the cache is off.
    serves: [AtomicBool; 3],
    closed: AtomicBool,
}

/// Which tiers hold the entries of a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tier {
    /// Memory, and Redis where there is one.
    Both,
    /// This process' memory alone.
    Memory,
    /// Redis alone.
    Redis,
}

/// What the shared tier had for a key.
pub(crate) enum Found {
    Fresh(Content),
    Stale(Content),
    Nothing,
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
                redis.clone(),
                &config.full_prefix(),
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
            pending: remove::Pending::default(),
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

    /// What memory is to hold of a value.
    pub(crate) fn draft(&self, keep: &Keep, owner: &Arc<Counters>) -> Draft {
        let now = clock::now();
        Draft {
            content: keep.content.clone(),
            fresh_until: now + self.memory_life(keep.ttl, keep.tier),
            serve_until: now + self.memory_life(keep.ttl + keep.stale, keep.tier),
            remaining: keep.ttl,
            generations: keep.generations.clone(),
            size: keep.size,
            local: self.shared(keep.tier).is_none(),
            owner: Arc::clone(owner),
        }
    }

    /// What the shared tier is to hold of a value.
    pub(crate) fn stored(keep: &Keep, remote: &Remote, payload: Option<Vec<u8>>) -> Stored {
        let now = remote.now();
        Stored {
            version: keep.version,
            fresh_until: now.saturating_add(keep.ttl),
            serve_until: now.saturating_add(keep.ttl).saturating_add(keep.stale),
            generations: keep
                .generations
                .iter()
                .map(|snapshot| (snapshot.generation.name.to_string(), snapshot.nonce))
                .collect(),
            payload,
        }
    }

    /// Reads an entry of the shared tier. What is fresh also comes with what memory is to hold of it.
    pub(crate) async fn fetch(
        self: &Arc<Self>,
        remote: &Remote,
        key: &str,
        wanted: &Wanted<'_>,
        budget: &mut Budget,
    ) -> (Found, Option<Draft>) {
        // Redis still has what an invalidation that it did not take was about.
        if !self.pending.is_empty() {
            self.repeat();
            if self.pending.covers(key) {
                return (Found::Nothing, None);
            }
        }
        let full = self.full_key(key);
        match remote.get(&full, budget).await {
            Ok(Some(bytes)) => self.decode(remote, key, bytes, wanted, budget).await,
            Ok(None) | Err(_) => (Found::Nothing, None),
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
    ) -> (Found, Option<Draft>) {
        let length = bytes.len();
        let counters = wanted.counters;
        let stored = match Stored::read(bytes, key, self.config.max_value_bytes) {
            Ok(stored) => stored,
            Err(reason) => {
                counters.errors.fetch_add(1, Ordering::Relaxed);
                tracing::debug!(%reason, namespace = key.split(':').next(), "an entry cannot be read; it counts as a miss");
                return (Found::Nothing, None);
            }
        };
        let now = remote.now();
        if stored.serve_until <= now || wanted.version.is_some_and(|version| version != stored.version) {
            return (Found::Nothing, None);
        }
        let Some(generations) = self.snapshots_of(remote, &stored.generations, budget).await else {
            return (Found::Nothing, None);
        };
        let size = stored.payload.as_ref().map_or(0, Vec::len);
        let content = match (stored.payload, wanted.codec) {
            (None, _) => Content::Absent,
            (Some(bytes), None) => Content::Encoded(Arc::new(Encoded {
                bytes,
                decoded: std::sync::OnceLock::new(),
            })),
            (Some(payload), Some(codec)) => match (codec.decode)(&payload) {
                Ok(value) => Content::Value(value),
                Err(reason) => {
                    counters.errors.fetch_add(1, Ordering::Relaxed);
                    tracing::debug!(
                        reason,
                        namespace = key.split(':').next(),
                        "an entry does not decode; it counts as a miss"
                    );
                    return (Found::Nothing, None);
                }
            },
        };
        counters.bytes.fetch_add(length as u64, Ordering::Relaxed);
        if stored.fresh_until <= now {
            return (Found::Stale(content), None);
        }
        let local = clock::now();
        let draft = Draft {
            content: content.clone(),
            fresh_until: local + self.memory_life(stored.fresh_until - now, Tier::Both),
            serve_until: local + self.memory_life(stored.serve_until - now, Tier::Both),
            remaining: stored.fresh_until - now,
            generations,
            size,
            local: false,
            owner: Arc::clone(counters),
        };
        (Found::Fresh(content), Some(draft))
    }

    /// The snapshots that an entry was stored with, if all of them still stand.
    async fn snapshots_of(
        &self,
        remote: &Remote,
        stored: &[(String, u64)],
        budget: &mut Budget,
    ) -> Option<Box<[Snapshot]>> {
        if stored.is_empty() {
            return Some(Box::default());
        }
        let names: Vec<&str> = stored.iter().map(|(name, _)| name.as_str()).collect();
        let current = self.snapshots(Some(remote), &names, budget).await?;
        let stand = current
            .iter()
            .zip(stored)
            .all(|(snapshot, (_, nonce))| snapshot.nonce == *nonce);
        stand.then_some(current)
    }

    /// The current nonces of some names. Nothing when the shared tier has them and does not answer.
    pub(crate) async fn snapshots(
        &self,
        remote: Option<&Remote>,
        names: &[&str],
        budget: &mut Budget,
    ) -> Option<Box<[Snapshot]>> {
        let generations: Vec<_> = names.iter().map(|name| self.generations.of(name)).collect();
        match remote {
            #[cfg(feature = "redis")]
            Some(Remote::Redis(redis)) => {
                let age = millis(self.config.memory_ttl);
                // The server still has the nonce that an invalidation it did not take is about.
                if names.iter().any(|name| self.pending.covers_tag(name)) {
                    return None;
                }
                if generations.iter().any(|generation| generation.is_outdated(age)) {
                    let before: Vec<u64> = generations.iter().map(|generation| generation.nonce()).collect();
                    let keys: Vec<String> = names.iter().map(|name| self.full_key(name)).collect();
                    let fresh: Vec<u64> = names.iter().map(|_| crate::generations::fresh_nonce()).collect();
                    let nonces = redis.generations(&keys, &fresh, budget).await.ok()?;
                    for ((generation, before), nonce) in generations.iter().zip(before).zip(nonces) {
                        generation.learn(before, nonce);
                    }
                }
            }
            _ => {
                let _ = budget;
            }
        }
        Some(
            generations
                .into_iter()
                .map(|generation| Snapshot {
                    nonce: generation.nonce(),
                    generation,
                })
                .collect(),
        )
    }
}

/// Under what terms an entry of the shared tier is of use.
pub(crate) struct Wanted<'a> {
    pub(crate) codec: Option<Codec>,
    pub(crate) version: Option<u32>,
    pub(crate) counters: &'a Arc<Counters>,
}

/// The name of a tag's generation; no template can write it.
pub(crate) fn tag_name(tag: &str) -> String {
    format!("%tag:{tag}")
}
