//! A store of the user's own in the place of Redis: the public trait, and the form of it that can be a `dyn`.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use super::guard::Change;
use super::order::Reply;
use super::{News, Order};
use crate::clock;

/// Why a store could not do what it was asked.
#[derive(Debug)]
pub struct BackendError(Box<dyn std::error::Error + Send + Sync>);

impl BackendError {
    /// An error with its cause or a message.
    pub fn new(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(cause.into())
    }
}

impl std::fmt::Display for BackendError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the cache store failed: {}", self.0)
    }
}

impl std::error::Error for BackendError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.0)
    }
}

/// A store of bytes that can stand in the place of Redis.
///
/// Give it to [`CacheManagerBuilder::store`](crate::CacheManagerBuilder::store). Keys arrive with the prefix of the
/// manager in front. The methods may take as long as they like: the cache waits for `op_budget` at most, then goes on
/// without. An error counts as a miss and is told to nobody but the log.
///
/// ```
/// use std::collections::HashMap;
/// use std::sync::Mutex;
/// use std::time::Duration;
/// use cache_core::{BackendError, CacheBackend, glob_matches};
///
/// #[derive(Debug, Default)]
/// struct InHeap(Mutex<HashMap<String, Vec<u8>>>);
///
/// impl CacheBackend for InHeap {
///     async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, BackendError> {
///         Ok(self.0.lock().unwrap().get(key).cloned())
///     }
///     async fn set(&self, key: &str, value: Vec<u8>, _ttl: Duration) -> Result<(), BackendError> {
///         self.0.lock().unwrap().insert(key.to_owned(), value);
///         Ok(())
///     }
///     async fn delete(&self, key: &str) -> Result<bool, BackendError> {
///         Ok(self.0.lock().unwrap().remove(key).is_some())
///     }
///     async fn exists(&self, key: &str) -> Result<bool, BackendError> {
///         Ok(self.0.lock().unwrap().contains_key(key))
///     }
///     async fn delete_matching(&self, pattern: &str) -> Result<u64, BackendError> {
///         let mut map = self.0.lock().unwrap();
///         let before = map.len();
///         map.retain(|key, _| !glob_matches(pattern, key));
///         Ok((before - map.len()) as u64)
///     }
///     async fn clear(&self) -> Result<(), BackendError> {
///         self.0.lock().unwrap().clear();
///         Ok(())
///     }
///     async fn close(&self) -> Result<(), BackendError> {
///         Ok(())
///     }
/// }
/// ```
pub trait CacheBackend: Debug + Send + Sync + 'static {
    /// The bytes under a key.
    fn get(&self, key: &str) -> impl Future<Output = Result<Option<Vec<u8>>, BackendError>> + Send;

    /// Stores bytes under a key. They may be forgotten after `ttl`, and should be.
    fn set(
        &self,
        key: &str,
        value: Vec<u8>,
        ttl: Duration,
    ) -> impl Future<Output = Result<(), BackendError>> + Send;

    /// Deletes a key; tells whether it was there.
    fn delete(&self, key: &str) -> impl Future<Output = Result<bool, BackendError>> + Send;

    /// Whether a key is there.
    fn exists(&self, key: &str) -> impl Future<Output = Result<bool, BackendError>> + Send;

    /// Deletes all keys that match a glob pattern with the meaning that Redis gives it; tells how many there were.
    /// [`glob_matches`](crate::glob_matches) decides for one key.
    fn delete_matching(&self, pattern: &str) -> impl Future<Output = Result<u64, BackendError>> + Send;

    /// Deletes everything.
    fn clear(&self) -> impl Future<Output = Result<(), BackendError>> + Send;

    /// Lets go of connections and files. Nothing is asked afterwards.
    fn close(&self) -> impl Future<Output = Result<(), BackendError>> + Send;

    /// Replaces the bytes under a key by what `change` makes of them, as one step: nobody else may read or write the
    /// key in between. This is what lets processes that share a store load a key once, and keeps what was invalidated
    /// during a load out of it.
    ///
    /// Without an implementation of its own it is a [`get`](Self::get) and a [`set`](Self::set) or a
    /// [`delete`](Self::delete), which two processes at once may interleave: an invalidation of another process that
    /// falls between the two is then undone. Within one process the cache sees to it that it does not. `change` may be called again if the bytes have changed meanwhile.
    fn update<'a>(
        &'a self,
        key: &'a str,
        change: &'a mut (dyn for<'b> FnMut(Option<&'b [u8]>) -> Change + Send),
    ) -> impl Future<Output = Result<(), BackendError>> + Send + 'a {
        async move {
            let current = self.get(key).await?;
            match change(current.as_deref()) {
                Change::Keep => Ok(()),
                Change::Put { value, ttl } => self.set(key, value, ttl).await,
                Change::Delete => self.delete(key).await.map(drop),
            }
        }
    }

    /// The bytes under several keys, in their order. One after another unless a store knows better.
    fn get_many(
        &self,
        keys: Vec<String>,
    ) -> impl Future<Output = Result<Vec<Option<Vec<u8>>>, BackendError>> + Send {
        async move {
            let mut values = Vec::with_capacity(keys.len());
            for key in &keys {
                values.push(self.get(key).await?);
            }
            Ok(values)
        }
    }

    /// Stores several entries. One after another unless a store knows better.
    fn set_many(
        &self,
        entries: Vec<(String, Vec<u8>, Duration)>,
    ) -> impl Future<Output = Result<(), BackendError>> + Send {
        async move {
            for (key, value, ttl) in entries {
                self.set(&key, value, ttl).await?;
            }
            Ok(())
        }
    }

    /// Deletes several keys; tells how many were there. One after another unless a store knows better.
    fn delete_many(&self, keys: Vec<String>) -> impl Future<Output = Result<u64, BackendError>> + Send {
        async move {
            let mut deleted = 0;
            for key in &keys {
                deleted += u64::from(self.delete(key).await?);
            }
            Ok(deleted)
        }
    }
}

/// A user's store, of which this process changes each key one step at a time: an invalidation does not fall between the two
/// halves of an update.
#[derive(Debug)]
pub(crate) struct InOrder<B> {
    store: B,
    keys: Box<[tokio::sync::Mutex<()>]>,
}

/// How many keys can be changed at once.
const STRIPES: usize = 64;

impl<B> InOrder<B> {
    pub(crate) fn new(store: B) -> Self {
        Self {
            store,
            keys: (0..STRIPES).map(|_| tokio::sync::Mutex::default()).collect(),
        }
    }

    async fn turn(&self, key: &str) -> Option<tokio::sync::MutexGuard<'_, ()>> {
        let at = key.bytes().fold(0_usize, |hash, byte| {
            hash.wrapping_mul(31).wrapping_add(usize::from(byte))
        });
        Some(self.keys.get(at % STRIPES)?.lock().await)
    }

    async fn all_turns(&self) -> Vec<tokio::sync::MutexGuard<'_, ()>> {
        let mut turns = Vec::with_capacity(self.keys.len());
        for key in &self.keys {
            turns.push(key.lock().await);
        }
        turns
    }
}

pub(crate) type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, BackendError>> + Send + 'a>>;

/// [`CacheBackend`] behind a pointer. What it has beyond that is about a channel, which a store of the user's own lacks.
pub(crate) trait Store: Debug + Send + Sync {
    fn get<'a>(&'a self, key: &'a str) -> Answer<'a, Option<Vec<u8>>>;
    fn set<'a>(&'a self, key: &'a str, value: Vec<u8>, ttl: Duration) -> Answer<'a, ()>;
    fn delete<'a>(&'a self, key: &'a str) -> Answer<'a, bool>;
    fn exists<'a>(&'a self, key: &'a str) -> Answer<'a, bool>;
    fn delete_matching<'a>(&'a self, pattern: &'a str) -> Answer<'a, u64>;
    fn clear(&self) -> Answer<'_, ()>;
    fn close(&self) -> Answer<'_, ()>;
    fn update<'a>(
        &'a self,
        key: &'a str,
        change: &'a mut (dyn for<'b> FnMut(Option<&'b [u8]>) -> Change + Send),
    ) -> Answer<'a, ()>;
    fn get_many(&self, keys: Vec<String>) -> Answer<'_, Vec<Option<Vec<u8>>>>;
    fn set_many(&self, entries: Vec<(String, Vec<u8>, Duration)>) -> Answer<'_, ()>;
    fn delete_many(&self, keys: Vec<String>) -> Answer<'_, u64>;

    /// One step on one key, of which others are told where somebody waits to be.
    fn carry_out<'a>(&'a self, key: &'a str, order: Order, news: Option<&News>) -> Answer<'a, Reply> {
        let _ = news;
        Box::pin(async move {
            let now = clock::wall();
            let mut reply = Reply::Done;
            self.update(key, &mut |current| {
                let (change, answer) = order.decide(current, now);
                reply = answer;
                change
            })
            .await?;
            Ok(reply)
        })
    }

    /// The nonces of generations.
    fn learn<'a>(&'a self, generations: &'a [(String, u64)]) -> Answer<'a, Vec<u64>> {
        Box::pin(async move {
            let mut nonces = Vec::with_capacity(generations.len());
            for (key, fresh) in generations {
                let order = Order::Learn { fresh: *fresh };
                nonces.push(self.carry_out(key, order, None).await?.nonce()?);
            }
            Ok(nonces)
        })
    }

    /// The bytes under a key, and the nonces of generations.
    fn get_and_learn<'a>(
        &'a self,
        key: &'a str,
        generations: &'a [(String, u64)],
    ) -> Answer<'a, (Option<Vec<u8>>, Vec<u64>)> {
        Box::pin(async move {
            let nonces = self.learn(generations).await?;
            Ok((self.get(key).await?, nonces))
        })
    }

    /// Stores bytes, and tells others.
    fn put<'a>(&'a self, key: &'a str, value: Vec<u8>, ttl: Duration, news: &'a News) -> Answer<'a, ()> {
        let _ = news;
        self.set(key, value, ttl)
    }

    /// Deletes a key, and tells others.
    fn invalidate<'a>(&'a self, key: &'a str, news: &'a News) -> Answer<'a, bool> {
        let _ = news;
        self.delete(key)
    }

    /// Tells others.
    fn announce<'a>(&'a self, news: &'a [News]) -> Answer<'a, ()> {
        let _ = news;
        Box::pin(async { Ok(()) })
    }

    /// Whether invalidations of other processes would be missed that are heard otherwise.
    fn is_deaf(&self) -> bool {
        false
    }
}

impl<B: CacheBackend> Store for InOrder<B> {
    fn get<'a>(&'a self, key: &'a str) -> Answer<'a, Option<Vec<u8>>> {
        Box::pin(self.store.get(key))
    }

    fn set<'a>(&'a self, key: &'a str, value: Vec<u8>, ttl: Duration) -> Answer<'a, ()> {
        Box::pin(async move {
            let _turn = self.turn(key).await;
            self.store.set(key, value, ttl).await
        })
    }

    fn delete<'a>(&'a self, key: &'a str) -> Answer<'a, bool> {
        Box::pin(async move {
            let _turn = self.turn(key).await;
            self.store.delete(key).await
        })
    }

    fn exists<'a>(&'a self, key: &'a str) -> Answer<'a, bool> {
        Box::pin(self.store.exists(key))
    }

    fn delete_matching<'a>(&'a self, pattern: &'a str) -> Answer<'a, u64> {
        Box::pin(async move {
            let _turns = self.all_turns().await;
            self.store.delete_matching(pattern).await
        })
    }

    fn clear(&self) -> Answer<'_, ()> {
        Box::pin(async move {
            let _turns = self.all_turns().await;
            self.store.clear().await
        })
    }

    fn close(&self) -> Answer<'_, ()> {
        Box::pin(self.store.close())
    }

    fn update<'a>(
        &'a self,
        key: &'a str,
        change: &'a mut (dyn for<'b> FnMut(Option<&'b [u8]>) -> Change + Send),
    ) -> Answer<'a, ()> {
        Box::pin(async move {
            let _turn = self.turn(key).await;
            self.store.update(key, change).await
        })
    }

    fn get_many(&self, keys: Vec<String>) -> Answer<'_, Vec<Option<Vec<u8>>>> {
        Box::pin(self.store.get_many(keys))
    }

    fn set_many(&self, entries: Vec<(String, Vec<u8>, Duration)>) -> Answer<'_, ()> {
        Box::pin(async move {
            let _turns = self.all_turns().await;
            self.store.set_many(entries).await
        })
    }

    fn delete_many(&self, keys: Vec<String>) -> Answer<'_, u64> {
        Box::pin(async move {
            let _turns = self.all_turns().await;
            self.store.delete_many(keys).await
        })
    }
}
