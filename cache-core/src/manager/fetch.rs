//! Reading a raw key, or loading what is not there.

use std::future::IntoFuture;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::codec::{self, Codec};
use crate::config::duration::millis;
use crate::engine::Core;
use crate::engine::load::{Ticket, Verdict};
use crate::engine::miss::Miss;
use crate::engine::shape::{Fallible, Plain, Shaped, Unshared};
use crate::load::{LoadIf, judging};

/// A value to be read or loaded; see [`CacheManager::get_or_fetch`](crate::CacheManager::get_or_fetch). It does nothing
/// until awaited.
#[must_use = "nothing is read or loaded until this is awaited"]
pub struct Fetch<'a, T, E, L> {
    core: &'a Arc<Core>,
    key: String,
    codec: Codec,
    load: L,
    ttl: Option<Duration>,
    stale_if_error: Option<Duration>,
    tags: Vec<String>,
    bypass: bool,
    /// The most elements of a list that is stored.
    most: usize,
    result: PhantomData<fn() -> Result<T, E>>,
}

impl<T, E, L> std::fmt::Debug for Fetch<'_, T, E, L> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fetch")
            .field("key", &self.key)
            .field("ttl", &self.ttl)
            .finish_non_exhaustive()
    }
}

impl<'a, T, E, L> Fetch<'a, T, E, L> {
    pub(crate) fn new(core: &'a Arc<Core>, key: String, codec: Codec, load: L) -> Self {
        Self {
            core,
            key,
            codec,
            load,
            ttl: None,
            stale_if_error: None,
            tags: Vec::new(),
            bypass: false,
            most: usize::MAX,
            result: PhantomData,
        }
    }

    /// How long the value is fresh; without this, as long as its namespace says, which is what the key begins with up
    /// to its first colon. With a TTL of zero it is not stored.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// Names under which the entry can be invalidated.
    pub fn tags<N: Into<String>>(mut self, tags: impl IntoIterator<Item = N>) -> Self {
        self.tags.extend(tags.into_iter().map(Into::into));
        self
    }

    /// How long past its TTL the value may still be served when the loader fails.
    pub fn stale_if_error(mut self, window: Duration) -> Self {
        self.stale_if_error = Some(window);
        self
    }

    /// With `true` the cache is neither read nor written: the loader runs.
    pub fn bypass(mut self, bypass: bool) -> Self {
        self.bypass = bypass;
        self
    }

    /// The most elements of a list that is stored; longer ones are returned whole.
    pub(crate) fn most(mut self, most: usize) -> Self {
        self.most = most;
        self
    }
}

impl<'a, T, E, L, F> IntoFuture for Fetch<'a, T, E, L>
where
    T: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
    L: FnOnce() -> F + Send + 'a,
    F: Future<Output = Result<T, E>> + Send + 'a,
    E: Send + 'a,
{
    type Output = Result<T, E>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let core = self.core;
            let ticket = (core.is_on() && !self.bypass).then(|| {
                let hash = core.memory.hash(&self.key);
                Box::new(Ticket {
                    codec: Some(self.codec),
                    ttl: self.ttl,
                    stale_if_error: self.stale_if_error.map_or(0, millis),
                    tags: self.tags,
                    ..Ticket::new(
                        Arc::clone(core),
                        Arc::from(self.key),
                        hash,
                        Arc::clone(&core.stats.direct),
                    )
                })
            });
            let miss = Miss::of::<Fallible<Plain<T>, E>, Unshared>(ticket);
            let (load, most) = (self.load, self.most);
            let is_short =
                |value: &T| most == usize::MAX || codec::count(value).is_none_or(|count| count <= most);
            LoadIf {
                miss,
                load: async move { load().await },
                verdict: judging(Shaped::<Fallible<Plain<T>, E>>::TOLD, |value: &T| {
                    Verdict::store().only_if(is_short(value))
                }),
            }
            .await
        })
    }
}
