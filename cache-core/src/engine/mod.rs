//! Where policy, tiers and loads meet: what happens between a call and its value.
//! It is compiled once, whatever the types; `shape`, `call` and `miss` are the thin typed layer over it. Invariant: no error
//! of a tier leaves here; a function whose cache is gone runs as if it had none.

pub(crate) mod call;
#[cfg(feature = "redis")]
mod coherence;
pub(crate) mod current;
pub(crate) mod forced;
pub(crate) mod held;
pub(crate) mod info;
pub(crate) mod load;
pub(crate) mod miss;
pub(crate) mod patience;
mod pending;
pub(crate) mod popular;
pub(crate) mod read;
pub(crate) mod remove;
pub(crate) mod shape;
pub(crate) mod side_by_side;
pub(crate) mod site;
pub(crate) mod standing;
pub(crate) mod watch;

use std::any::TypeId;
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use crate::CacheError;
use crate::codec::{Codec, Content};
use crate::config::duration::millis;
use crate::config::{BackendMode, Config};
use crate::entry::{Stamps, Stored};
use crate::generations::{Generations, Snapshot};
use crate::memory::{Draft, MemoryStore};
use crate::numbered::Numbered;
use crate::remote::{Budget, Remote, Store};
use crate::stats::{Counters, StatsTable};
use crate::{clock, remote};
use standing::Dependencies;

/// What an entry can be invalidated by, for all who ask.
pub(crate) type Names = Arc<Dependencies>;

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
    /// What the entries of a function can be invalidated by, tags apart.
    of_functions: Numbered<Names>,
    /// The same of methods of generic types, which have one number and several namespaces.
    of_others: RwLock<HashMap<(usize, Box<str>), Names, foldhash::fast::RandomState>>,
    /// The shapes of types, as far as they were asked for.
    shapes: Mutex<HashMap<TypeId, u64, foldhash::fast::RandomState>>,
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
    pub(crate) generations: Arc<[Snapshot]>,
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
            of_functions: Numbered::new(),
            of_others: RwLock::default(),
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
    pub(crate) fn stored<'a>(
        &self,
        key: &str,
        keep: &'a Keep,
        remote: &Remote,
        token: u64,
        payload: Option<Vec<u8>>,
    ) -> Option<Stored<'a>> {
        let now = remote.now(|| self.full_key(key));
        let generations: Stamps<'_> = keep
            .generations
            .iter()
            .map(|snapshot| Some((&*snapshot.generation.name, snapshot.nonce?)))
            .collect::<Option<_>>()?;
        let names = keep.generations.iter().map(|snapshot| &snapshot.generation.name);
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
            payload: payload.map(Cow::Owned),
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
        let known = self.shapes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shape) = known.get(&of) {
            return *shape;
        }
        drop(known);
        let shape = (codec.shape)();
        self.shapes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(of, shape);
        shape
    }
}
