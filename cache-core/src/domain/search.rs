//! The results of searches, by a digest of their queries. Invariant: queries that are equal as canonical JSON share an entry,
//! whatever the order of their fields, and no others do.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Namespace;
use crate::manager::{Fetch, Set};
use crate::{CacheError, CacheManager, Key, codec, key};

/// The results of searches, under `search:{query_hash}`, for `SEARCH_CACHE_TTL`; see [`CacheManager::search`].
///
/// A query is anything that is `Serialize`: a struct of the text and the filters, or `serde_json::json!({ .. })`. Its digest is
/// the first 32 hex digits of the SHA-256 over its canonical JSON: object keys sorted, absent options left out. That is
/// what `{query:hash}` writes for anything but text, so `#[cache_result(key = "search:{query:hash}")]` has the same entries.
/// `#[cache_search_results]` takes its function's path into the digest besides, and so never shares one with these; what
/// invalidates the namespace is about both.
///
/// Lists of more than `MAX_SEARCH_RESULTS` elements are not stored.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), cache_core::CacheError> {
/// # let cache = cache_core::CacheManager::in_memory();
/// #[derive(serde::Serialize)]
/// struct Query<'a> { text: &'a str, city: Option<&'a str> }
///
/// let query = Query { text: "rust", city: None };
/// cache.search().set(&query, &[7, 8]).await?;
/// assert_eq!(cache.search().get::<Vec<u64>>(&query).await, Some(vec![7, 8]));
/// cache.search().invalidate_all().await;
/// assert_eq!(cache.search().get::<Vec<u64>>(&query).await, None);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Search<'a> {
    cache: &'a CacheManager,
    entries: Namespace<'a>,
}

impl<'a> Search<'a> {
    pub(super) fn new(cache: &'a CacheManager) -> Self {
        Self {
            cache,
            entries: cache.namespace("search"),
        }
    }

    /// The key of a query.
    ///
    /// # Errors
    /// [`CacheError::Serialization`] when the query's own `Serialize` fails.
    pub fn key(&self, query: &(impl Serialize + ?Sized)) -> Result<Key, CacheError> {
        let json = key::canonical_json(query).map_err(|reason| {
            CacheError::Serialization(format!("a query of a search cannot be serialised: {reason}"))
        })?;
        Ok(self.entries.key(key::digest_of_bytes(&json)))
    }

    /// The results of a query. Nothing when there are none, when they are of another type, or when Redis cannot be asked.
    pub async fn get<T>(&self, query: &(impl Serialize + ?Sized)) -> Option<T>
    where
        T: DeserializeOwned + Clone + Send + Sync + 'static,
    {
        self.cache.get(self.key(query).ok()?).await
    }

    /// Stores the results of a query. When they are longer than what is stored, whatever was there goes instead.
    ///
    /// # Errors
    /// As [`CacheManager::set`], and when the query cannot be serialised.
    pub fn set<T: Serialize + ?Sized>(&self, query: &(impl Serialize + ?Sized), results: &T) -> Set<'a> {
        match self.key(query) {
            Ok(key) => {
                let most = self.cache.core.config.max_search_results;
                let too_long = codec::count(results).is_some_and(|count| count > most);
                self.cache.set(key, results).too_long(too_long)
            }
            Err(error) => Set::failed(&self.cache.core, error),
        }
    }

    /// The results of a query, or what `load` gives, which is then stored; see [`CacheManager::get_or_fetch`]. For a query
    /// that cannot be serialised `load` runs as if there were no cache.
    pub fn get_or_fetch<T, E, L, F>(&self, query: &(impl Serialize + ?Sized), load: L) -> Fetch<'a, T, E, L>
    where
        T: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
        L: FnOnce() -> F + Send + 'a,
        F: Future<Output = Result<T, E>> + Send,
        E: Send,
    {
        let most = self.cache.core.config.max_search_results;
        match self.key(query) {
            Ok(key) => self.cache.get_or_fetch(key, load).most(most),
            Err(_) => self.cache.get_or_fetch("", load).bypass(true),
        }
    }

    /// Deletes the results of a query. Tells whether there were any.
    pub async fn invalidate(&self, query: &(impl Serialize + ?Sized)) -> bool {
        match self.key(query) {
            Ok(key) => self.cache.delete(key).await,
            Err(_) => false,
        }
    }

    /// Makes the results of all searches misses, those of annotated functions too. It costs the same however many there are.
    pub async fn invalidate_all(&self) {
        self.entries.invalidate_all().await;
    }
}
