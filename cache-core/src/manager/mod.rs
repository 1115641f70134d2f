//! The manager: what a user holds, and the operations on raw keys.

mod batch;
mod builder;
mod fetch;
mod health;
mod popular;
mod set;
mod set_many;

use std::any::{Any, TypeId};
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use builder::CacheManagerBuilder;
pub use fetch::Fetch;
pub use health::{Health, HealthStatus, NodeHealth, RedisHealth};
pub use popular::PopularSearches;
pub use set::Set;
pub use set_many::{SetMany, Warm};

use crate::codec::{self, Codec, Content, Encoded, Value};
use crate::config::{self, Settings};
use crate::engine::call::decoded;
use crate::engine::read::{Found, Wanted};
use crate::engine::remove::Name;
use crate::engine::standing::Dependencies;
use crate::engine::{Core, Tier, current, watch};
use crate::flight::Terms;
use crate::remote::Budget;
use crate::stats::LaneLease;
use crate::{CacheError, Stats, clock, entry};

/// A cache: memory, and Redis where there is one. Cheap to clone; clones are one cache.
#[derive(Clone)]
pub struct CacheManager {
    pub(crate) core: Arc<Core>,
}

impl fmt::Debug for CacheManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheManager")
            .field("backend", &self.core.config.backend)
            .field("prefix", &self.core.config.key_prefix)
            .field("entries", &self.core.memory.len())
            .finish_non_exhaustive()
    }
}

/// The codec of what is only read.
fn reading<T: DeserializeOwned + Send + Sync + 'static>() -> Codec {
    Codec {
        encode: |_| Err("this type is only read".to_owned()),
        decode: |bytes| codec::decode::<T>(bytes).map(|value| Arc::new(value) as Value),
        count: |_| None,
        of: TypeId::of::<T>,
        shape: codec::fingerprint::of::<T>,
        sole: false,
        format: entry::JSON,
        date: |_, _| {},
    }
}

impl CacheManager {
    pub(crate) fn from_core(core: Arc<Core>) -> Self {
        Self { core }
    }

    /// A cache in this process' memory. TTLs and bounds are those of the environment; what cannot be read there is
    /// logged and left at its default.
    pub fn in_memory() -> Self {
        let environment = config::process();
        config::warn_about_misspelt(&environment);
        let settings = config::read(&environment).unwrap_or_else(|error| {
            tracing::error!(%error, "the environment of the cache cannot be used; the defaults are");
            Settings::default()
        });
        Self::from_core(Arc::new(current::in_memory(settings)))
    }

    /// A cache as the environment describes it.
    ///
    /// # Errors
    /// [`CacheError::Config`] for a variable that cannot be read or credentials that Redis refuses. An unreachable
    /// Redis is no error: the cache connects as soon as it can.
    pub async fn from_env() -> Result<Self, CacheError> {
        Self::builder().build().await
    }

    /// A cache over the Redis at `url`; all else as the environment describes it.
    ///
    /// # Errors
    /// As [`from_env`](Self::from_env).
    pub async fn connect(url: impl Into<String>) -> Result<Self, CacheError> {
        Self::builder().redis_url(url).build().await
    }

    /// A cache to be described. What the builder is not told comes from the environment.
    pub fn builder() -> CacheManagerBuilder {
        CacheManagerBuilder::default()
    }

    /// Makes this the manager of all functions that name none and are in no [`scope`](Self::scope). A later one
    /// replaces it.
    pub fn install(&self) {
        current::install(Arc::clone(&self.core));
    }

    /// Makes this the manager of all functions that are called inside of `future` and name none. Tasks that are
    /// spawned inside have to be put in a scope of their own.
    pub fn scope<F: Future>(&self, future: F) -> impl Future<Output = F::Output> {
        current::scope(Arc::clone(&self.core), future)
    }

    /// The manager that a function would use here.
    pub fn current() -> Self {
        Self::from_core(current::get())
    }

    /// The value under a key. Nothing when there is none, when it is of another type, or when Redis cannot be asked.
    pub async fn get<T>(&self, key: impl AsRef<str>) -> Option<T>
    where
        T: DeserializeOwned + Clone + Send + Sync + 'static,
    {
        self.find(key.as_ref(), reading::<T>()).await.of()
    }

    /// What is under a key.
    pub(crate) async fn find(&self, key: &str, codec: Codec) -> Sought {
        let core = &self.core;
        if !core.is_on() {
            return Sought::Nothing;
        }
        let mut unreadable = false;
        let counters = &core.stats.direct;
        let hash = core.memory.hash(key);
        let held = core.memory.fresh(hash, key, |entry| entry.content.clone());
        if let Some(content) = held {
            if let Some(value) = typed(&content, codec) {
                counters.hit(LaneLease::SHARED);
                watch::hit(None, "memory");
                return Sought::Value(value);
            }
            if matches!(content, Content::Absent) {
                counters.hit(LaneLease::SHARED);
                watch::hit(None, "memory");
                return Sought::Nothing;
            }
            if codec.sole {
                core.memory.remove(hash, key);
                unreadable = true;
            }
        }
        if let Some(remote) = &core.remote {
            // The load is what an invalidation that comes meanwhile will fence.
            let mark = Mark::new(core, hash, key);
            let wanted = Wanted {
                codec: Some(codec),
                version: None,
                names: &Dependencies::default(),
                standing: None,
                asked: &[],
                counters,
            };
            let mut budget = core.budget();
            let fetched = core.fetch(remote, key, &wanted, &mut budget).await;
            core.discard(remote, key, &fetched, &mut budget).await;
            if let Found::Fresh(draft) = fetched.found {
                counters.redis_hits.fetch_add(1, Relaxed);
                watch::hit(None, "redis");
                let value = typed(&draft.content, codec);
                if core.in_memory(Tier::Both) {
                    core.memory.commit(mark.flight(), draft);
                }
                return value.map_or(Sought::Nothing, Sought::Value);
            }
            unreadable |= fetched.unreadable;
        }
        counters.misses.fetch_add(1, Relaxed);
        watch::nothing(None, 1);
        if unreadable {
            Sought::Unreadable
        } else {
            Sought::Nothing
        }
    }

    /// Stores a value under a key. Set its TTL and tags on what this returns, then await it.
    ///
    /// # Errors
    /// [`CacheError::Serialization`] when the value cannot be written, [`CacheError::TooLarge`], and
    /// [`CacheError::Validation`] for a TTL of zero. An unreachable Redis is no error.
    pub fn set<'a, T: Serialize + ?Sized>(&'a self, key: impl AsRef<str>, value: &T) -> Set<'a> {
        Set::new(&self.core, key.as_ref().to_owned(), value)
    }

    /// The value under a key, or what `load` gives, which is then stored. Of several callers at once, one loads.
    ///
    /// Set TTL and tags on what this returns, then await it. The error is the loader's own, and is not stored.
    pub fn get_or_fetch<'a, T, E, L, F>(&'a self, key: impl AsRef<str>, load: L) -> Fetch<'a, T, E, L>
    where
        T: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
        L: FnOnce() -> F + Send + 'a,
        F: Future<Output = Result<T, E>> + Send,
        E: Send,
    {
        Fetch::new(&self.core, key.as_ref().to_owned(), codec::of::<T>(), load)
    }

    /// Whether something is stored under a key.
    pub async fn exists(&self, key: impl AsRef<str>) -> bool {
        let (core, key) = (&self.core, key.as_ref());
        if !core.is_on() {
            return false;
        }
        if core.memory.any(core.memory.hash(key), key, |entry| {
            clock::now() < entry.fresh_until()
        }) == Some(true)
        {
            return true;
        }
        let Some(remote) = &core.remote else { return false };
        // Most keys that are asked for are not there, and the value of one that is may be large.
        if remote.exists(&core.full_key(key), &mut core.budget()).await != Ok(true) {
            return false;
        }
        self.read(key).await.is_some()
    }

    /// How long what is stored under a key is still fresh.
    pub async fn ttl(&self, key: impl AsRef<str>) -> Option<Duration> {
        let (core, key) = (&self.core, key.as_ref());
        if !core.is_on() {
            return None;
        }
        let shared = match self.read(key).await {
            Some(fresh) => Some(fresh),
            None => core.memory.any(core.memory.hash(key), key, |entry| {
                entry.fresh_until().saturating_sub(clock::now())
            }),
        };
        shared.filter(|left| *left > 0).map(Duration::from_millis)
    }

    /// How long the entry of the shared tier is fresh, if it is.
    async fn read(&self, key: &str) -> Option<u64> {
        let core = &self.core;
        let remote = core.remote.as_ref()?;
        let wanted = Wanted {
            codec: None,
            version: None,
            names: &Dependencies::default(),
            standing: None,
            asked: &[],
            counters: &core.stats.direct,
        };
        match core.fetch(remote, key, &wanted, &mut core.budget()).await.found {
            Found::Fresh(draft) => Some(draft.value_until.saturating_sub(clock::now())),
            Found::Stale(_) | Found::Nothing => None,
        }
    }

    /// Deletes what is stored under a key, and keeps a load that is under way from storing it again. Tells whether
    /// something was there.
    pub async fn delete(&self, key: impl AsRef<str>) -> bool {
        self.core.stats.direct.invalidations.fetch_add(1, Relaxed);
        self.core
            .invalidate(Name::Key(key.as_ref().to_owned()), &mut self.core.budget())
            .await
            > 0
    }

    /// Deletes all keys that match a glob pattern (`* ? [a-c] [^a] \`), on both tiers. Tells how many there were.
    pub async fn invalidate(&self, pattern: impl AsRef<str>) -> u64 {
        self.core.stats.direct.invalidations.fetch_add(1, Relaxed);
        self.core
            .invalidate(
                Name::Pattern(pattern.as_ref().to_owned()),
                &mut Budget::unlimited(),
            )
            .await
    }

    /// Invalidates what a pattern of an attribute would: a whole namespace at once, and other keys one by one.
    pub(crate) async fn invalidate_matching(&self, pattern: String) {
        self.core.stats.direct.invalidations.fetch_add(1, Relaxed);
        let name = Name::matching(pattern);
        self.core.invalidate(name, &mut Budget::unlimited()).await;
    }

    /// Makes all entries with a tag misses. It costs the same however many there are.
    pub async fn invalidate_tag(&self, tag: impl AsRef<str>) {
        self.core.stats.direct.invalidations.fetch_add(1, Relaxed);
        self.core
            .invalidate(Name::tag(tag.as_ref()), &mut self.core.budget())
            .await;
    }

    /// Deletes everything under this manager's prefix, and nothing else.
    pub async fn clear(&self) {
        self.core.stats.direct.invalidations.fetch_add(1, Relaxed);
        self.core.popular.clear();
        self.core.invalidate(Name::All, &mut Budget::unlimited()).await;
    }

    /// The texts that were searched for most.
    pub fn popular_searches(&self) -> PopularSearches<'_> {
        PopularSearches::new(&self.core)
    }

    /// What stands before every key in Redis, without its colon.
    pub fn key_prefix(&self) -> &str {
        &self.core.config.key_prefix
    }

    /// How long entries are fresh for which neither their function nor their namespace says.
    pub fn default_ttl(&self) -> Duration {
        self.core.config.default_ttl
    }

    /// What was counted since this manager was made.
    pub fn stats(&self) -> Stats {
        self.core
            .stats
            .snapshot(self.core.memory.len(), self.core.memory.bytes())
    }

    /// How the cache is. Asks Redis, within the budget of one call.
    pub async fn health(&self) -> Health {
        health::of(&self.core).await
    }

    /// Ends the cache: what is pending is sent once more, connections are closed, memory is emptied. Functions that
    /// still use this manager run as if they had no cache.
    pub async fn close(&self) {
        let _ = self.core.budget().spend(self.core.repeat_now()).await;
        self.core.close();
        if let Some(remote) = &self.core.remote {
            remote.close().await;
        }
    }
}

/// What was found under a key.
pub(crate) enum Sought {
    /// A value of the type of the codec.
    Value(Value),
    Nothing,
    /// Bytes that are of no use to anybody, and are gone.
    Unreadable,
}

impl Sought {
    fn is_value(&self) -> bool {
        matches!(self, Self::Value(_))
    }

    /// The value, if there is one of this type.
    pub(crate) fn of<T: Clone + Send + Sync + 'static>(self) -> Option<T> {
        match self {
            Self::Value(value) => value.downcast::<T>().ok().map(Arc::unwrap_or_clone),
            Self::Nothing | Self::Unreadable => None,
        }
    }
}

/// The value inside of an entry, if it is of the wanted type or can be decoded to it.
fn typed(content: &Content, codec: Codec) -> Option<Value> {
    let is_wanted = |value: &(dyn Any + Send + Sync)| value.type_id() == (codec.of)();
    match content {
        Content::Absent => None,
        Content::Value(value) => is_wanted(value.as_ref()).then(|| Arc::clone(value)),
        Content::Encoded(encoded) => decoded(encoded, codec, is_wanted),
    }
}

/// A load of one key that nobody joins: it marks the key, so that an invalidation is noticed.
struct Mark<'a> {
    core: &'a Core,
    lead: crate::flight::Lead,
}

impl<'a> Mark<'a> {
    fn new(core: &'a Core, hash: u64, key: &str) -> Self {
        Self {
            core,
            lead: core.memory.load_alone(hash, key, &Terms::default()),
        }
    }

    fn flight(&self) -> &Arc<crate::flight::Flight> {
        self.lead.flight()
    }
}

impl Drop for Mark<'_> {
    fn drop(&mut self) {
        self.core.memory.land(self.lead.flight());
    }
}

/// An encoded value, to be held in memory.
fn encoded(bytes: Vec<u8>) -> Content {
    Content::Encoded(Arc::new(Encoded {
        bytes,
        decoded: OnceLock::new(),
    }))
}

#[cfg(all(test, feature = "redis"))]
#[expect(clippy::unwrap_used, reason = "all of it is a test")]
mod meanwhile;
#[cfg(test)]
mod tests;
