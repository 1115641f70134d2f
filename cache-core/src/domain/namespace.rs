//! The entries of one namespace, by their ids. Invariant: an id never names an entry of another namespace, whatever is in it.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::manager::{Fetch, Set};
use crate::{CacheKey, CacheManager, Key, glob};

/// The entries of one namespace; see [`CacheManager::namespace`].
///
/// How long they are fresh is said by the namespace's variable (`CACHE_TTL_REPORT` for `report`) or its method of the
/// builder, else by the default TTL; `ttl` on what [`set`](Self::set) and [`get_or_fetch`](Self::get_or_fetch) return beats
/// both.
#[derive(Debug, Clone, Copy)]
pub struct Namespace<'a> {
    cache: &'a CacheManager,
    name: &'a str,
}

impl<'a> Namespace<'a> {
    pub(super) fn new(cache: &'a CacheManager, name: &'a str) -> Self {
        Self { cache, name }
    }

    /// The key of an id: `{namespace}:{id}`.
    pub fn key(&self, id: impl CacheKey) -> Key {
        Key::render(|key| {
            key.literal(self.name);
            key.literal(":");
            id.write_key(key);
        })
    }

    /// The value of an id. Nothing when there is none, when it is of another type, or when Redis cannot be asked.
    pub async fn get<T>(&self, id: impl CacheKey) -> Option<T>
    where
        T: DeserializeOwned + Clone + Send + Sync + 'static,
    {
        self.cache.get(self.key(id)).await
    }

    /// Stores the value of an id; see [`CacheManager::set`].
    pub fn set<T: Serialize + ?Sized>(&self, id: impl CacheKey, value: &T) -> Set<'a> {
        self.cache.set(self.key(id), value)
    }

    /// The value of an id, or what `load` gives, which is then stored; see [`CacheManager::get_or_fetch`].
    pub fn get_or_fetch<T, E, L, F>(&self, id: impl CacheKey, load: L) -> Fetch<'a, T, E, L>
    where
        T: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
        L: FnOnce() -> F + Send + 'a,
        F: Future<Output = Result<T, E>> + Send,
        E: Send,
    {
        self.cache.get_or_fetch(self.key(id), load)
    }

    /// Whether something is stored for an id.
    pub async fn exists(&self, id: impl CacheKey) -> bool {
        self.cache.exists(self.key(id)).await
    }

    /// How long what is stored for an id is still fresh.
    pub async fn ttl(&self, id: impl CacheKey) -> Option<Duration> {
        self.cache.ttl(self.key(id)).await
    }

    /// Deletes what is stored for an id, and keeps a load that is under way from storing it again. Tells whether something
    /// was there.
    pub async fn invalidate(&self, id: impl CacheKey) -> bool {
        self.cache.delete(self.key(id)).await
    }

    /// Makes all entries of the namespace misses, those of annotated functions too. It costs the same however many there
    /// are; [`CacheManager::invalidate`] looks for them one by one, and counts.
    pub async fn invalidate_all(&self) {
        let pattern = format!("{}:*", glob::escape(self.name));
        self.cache.invalidate_matching(pattern).await;
    }
}
