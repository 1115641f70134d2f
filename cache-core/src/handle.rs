//! One entry of a cached function, named by the arguments in its key: what the handle of a function and
//! [`entry!`](crate::entry) work with. It runs nothing. Invariant: an entry is read and stored on the terms of its function.

use std::any::TypeId;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use crate::bound::Written;
use crate::codec::{Codec, Value};
use crate::engine::call::{Mode, value_of};
use crate::engine::load::Ticket;
use crate::engine::remove::Name;
use crate::engine::shape::{Bare, BySerde, Coded, Shape, Shaped, Tag};
use crate::engine::site::Site;
use crate::engine::{Core, current, forced};
use crate::key::KeyWriter;
use crate::{CacheManager, Key};

/// How long what is stored is fresh, by the value.
type Adaptive = Box<dyn Fn(&(dyn std::any::Any + Send + Sync)) -> Option<Duration> + Send + Sync>;

/// An entry of a function that returns `R`, before it is known what is inside of that.
pub struct Place<R> {
    /// Without one, that of the moment when it is used.
    core: Option<Arc<Core>>,
    site: &'static Site,
    codec: Option<Codec>,
    /// Empty where the arguments could not be written, so that there is no such entry.
    key: Key,
    tags: Vec<String>,
    ttl: Option<Duration>,
    adaptive: Option<Adaptive>,
    returned: PhantomData<fn() -> R>,
}

impl<R> fmt::Debug for Place<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Place").field(&self.key).finish()
    }
}

impl<R> Place<R> {
    /// The entry with a key.
    pub fn of<S: Shape<Ret = R>>(
        site: &'static Site,
        _: Shaped<S>,
        manager: Option<&CacheManager>,
        key: Key,
    ) -> Self
    where
        S::Stored: Written,
    {
        Self::with(site, BySerde::<S::Stored>::codec(), manager, key)
    }

    /// The same of a function whose values stay in this process.
    pub fn in_memory<S: Shape<Ret = R>>(
        site: &'static Site,
        _: Shaped<S>,
        manager: Option<&CacheManager>,
        key: Key,
    ) -> Self {
        Self::with(site, None, manager, key)
    }

    fn with(site: &'static Site, codec: Option<Codec>, manager: Option<&CacheManager>, key: Key) -> Self {
        Self {
            core: manager.map(|manager| Arc::clone(&manager.core)),
            site,
            codec,
            key,
            tags: Vec::new(),
            ttl: None,
            adaptive: None,
            returned: PhantomData,
        }
    }

    fn core(&self) -> Arc<Core> {
        self.core.clone().unwrap_or_else(current::get)
    }

    /// The entry in the manager that is the current one now.
    pub fn here(mut self) -> Self {
        self.core = Some(self.core());
        self
    }

    /// What the function returns, to be looked into.
    pub fn returned(&self) -> Tag<Bare, R> {
        Tag::of()
    }

    /// A name that the entry can be invalidated by.
    pub fn tag(mut self, render: impl FnOnce(&mut KeyWriter)) -> Self {
        let mut writer = KeyWriter::new();
        render(&mut writer);
        self.tags.push(writer.into_pattern());
        self
    }

    /// The TTL that an expression of the attribute gave.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// The TTL that the attribute has computed of each value.
    pub fn ttl_from<S: Shape<Ret = R>>(
        mut self,
        _: Shaped<S>,
        ttl: impl Fn(&S::Value) -> Duration + Send + Sync + 'static,
    ) -> Self {
        self.adaptive = Some(Box::new(move |stored| {
            Some(ttl(S::seen(stored.downcast_ref::<S::Stored>()?)))
        }));
        self
    }

    /// The entry, with what is inside of the return type.
    pub fn seen<S: Shape<Ret = R>>(self, _: Shaped<S>) -> Entry<S::Held> {
        Entry {
            place: Place {
                core: self.core,
                site: self.site,
                codec: self.codec,
                key: self.key,
                tags: self.tags,
                ttl: self.ttl,
                adaptive: self.adaptive,
                returned: PhantomData,
            },
            stored: TypeId::of::<S::Stored>(),
            give: |value| value.downcast::<S::Stored>().ok().map(S::hold),
            keep: |held| (S::keep(held), size_of::<S::Stored>()),
        }
    }

    /// Drops the entry.
    pub async fn invalidate(self) -> bool {
        invalidate(&self.core(), &self.key).await
    }

    fn ticket(&self) -> Option<Ticket> {
        let core = &self.core();
        (core.is_on() && !self.key.as_str().is_empty()).then(|| Ticket {
            site: Some(self.site),
            codec: self.codec,
            ttl: self.ttl,
            tags: self.tags.clone(),
            stale_if_error: self.site.stale_if_error,
            ..Ticket::new(
                Arc::clone(core),
                Arc::from(self.key.as_str()),
                core.memory.hash(self.key.as_str()),
                Arc::clone(core.stats.of(self.site.id(), self.site.path)),
            )
        })
    }
}

async fn invalidate(core: &Arc<Core>, key: &Key) -> bool {
    core.invalidate(Name::Key(key.as_str().to_owned()), &mut core.budget())
        .await
        > 0
}

/// One entry of a cached function or method, as [`entry!`](crate::entry) names it.
///
/// `V` is what the function returns, seen through `Result`, `Option` and `Json`, with an `Arc` that is around it: of
/// `Result<Option<Arc<Lead>>, DbError>` that is `Arc<Lead>`.
pub struct Entry<V> {
    place: Place<V>,
    stored: TypeId,
    give: fn(Value) -> Option<V>,
    keep: fn(V) -> (Value, usize),
}

impl<V> fmt::Debug for Entry<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Entry").field(&self.place.key).finish()
    }
}

impl<V> Entry<V> {
    /// The key of the entry.
    pub fn key(&self) -> &Key {
        &self.place.key
    }

    /// The stored value, while it is fresh. The function does not run, nobody waits for a load, and no hit is counted. A
    /// `None` that is stored is not told from nothing.
    pub async fn peek(&self) -> Option<V> {
        let content = self.place.ticket()?.peek().await?;
        (self.give)(value_of(content, self.place.codec, self.stored)??)
    }

    pub(crate) fn here(mut self) -> Self {
        self.place = self.place.here();
        self
    }

    /// [`peek`](Self::peek), as the handle of a function has it.
    #[doc(hidden)]
    pub async fn peeked(self) -> Option<V> {
        self.peek().await
    }

    /// [`put`](Self::put), as the handle of a function has it.
    #[doc(hidden)]
    pub async fn filled(self, value: V) {
        self.put(value).await;
    }

    /// Stores a value as if the function had just returned it, with its TTL, tags, version and tier. Loads that are under
    /// way do not replace it. What `cache_if` says is not asked.
    pub async fn put(&self, value: V) {
        let (value, size) = (self.keep)(value);
        if let Some(mut ticket) = self.place.ticket() {
            if let Some(adaptive) = &self.place.adaptive {
                ticket.ttl = adaptive(value.as_ref()).or(ticket.ttl);
            }
            ticket.put(value, size).await;
        }
    }

    /// Drops the entry, and keeps loads that are under way from storing theirs. Tells whether there was one.
    pub async fn invalidate(&self) -> bool {
        invalidate(&self.place.core(), &self.place.key).await
    }
}

/// Calls a cached function so that it runs, and stores what it gives.
///
/// ```
/// # use cache_core::{CacheManager, cache_result};
/// struct Repo;
///
/// impl Repo {
///     #[cache_result(key = "name:{id}", skip(self))]
///     async fn name(&self, id: u64) -> String {
///         format!("number {id}")
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # CacheManager::in_memory().install();
/// let name = cache_core::refresh(Repo.name(7)).await;
/// # assert_eq!(name, "number 7");
/// # }
/// ```
///
/// It takes the future of the call, so it does for methods what a function's handle has as `get_lead::refresh(..)`. It is
/// about the first look-up in this future; a future of something else is polled as it is.
pub async fn refresh<F: Future>(call: F) -> F::Output {
    forced::call(None, Mode::Refresh, call).await
}

/// Calls a cached function as if it were not annotated: it neither reads the cache nor writes it. See [`refresh`].
pub async fn uncached<F: Future>(call: F) -> F::Output {
    forced::call(None, Mode::Bypass, call).await
}
