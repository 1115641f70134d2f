//! The tier that processes share: Redis, or a store of the user's own.
//! It carries bytes and knows neither entries nor functions. Invariant: nothing here waits longer than its budget, and
//! a failure is a value that the engine goes on without.

mod backend;
mod budget;
pub(crate) mod guard;
mod order;
#[cfg(feature = "redis")]
pub(crate) mod redis;

use std::sync::Arc;
use std::time::Duration;

#[cfg(test)]
pub(crate) use backend::Answer;
pub use backend::{BackendError, CacheBackend};
pub(crate) use backend::{InOrder, Store};
pub(crate) use budget::Budget;
pub use guard::Change;
pub(crate) use order::Order;
#[cfg(test)]
pub(crate) use order::Reply;

use crate::{CacheError, clock};
use guard::{Claim, Claimed, End};
#[cfg(feature = "redis")]
use redis::{EVERYTHING, RedisTier};

/// The shared tier could not be asked, or did not answer in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unavailable;

/// How long the nonce of a generation is kept after it was last asked for. One that is lost makes misses.
const GENERATION_LIFE: Duration = Duration::from_secs(7 * 86_400);

/// What other processes are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct News {
    /// What it is about: an invalidation of a `k`ey, a `p`attern, a `g`eneration, or `a`ll, or the end of the `l`oad of a key.
    pub(crate) kind: u8,
    pub(crate) name: String,
}

impl News {
    /// The kind of the end of a load.
    pub(crate) const LOADED: u8 = b'l';

    /// The load of a key has ended.
    pub(crate) fn loaded(key: &str) -> Self {
        Self {
            kind: Self::LOADED,
            name: key.to_owned(),
        }
    }
}

/// What is known about one server.
#[derive(Debug, Clone)]
pub(crate) struct NodeFacts {
    pub(crate) address: String,
    pub(crate) up: bool,
    pub(crate) version: Option<String>,
    pub(crate) latency: Option<Duration>,
    pub(crate) last_error: Option<String>,
}

/// What is known about Redis.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    pub(crate) channel: bool,
    pub(crate) gaps: u64,
    pub(crate) nodes: Vec<NodeFacts>,
    /// Why the nodes are not known.
    pub(crate) failure: Option<String>,
}

/// The shared tier of a manager.
#[derive(Debug, Clone)]
pub(crate) enum Remote {
    #[cfg(feature = "redis")]
    Redis(Arc<RedisTier>),
    Store(Arc<dyn Store>),
}

macro_rules! ask {
    ($self:ident, $budget:ident, $redis:ident => $on_redis:expr, $store:ident => $on_store:expr) => {
        match $self {
            #[cfg(feature = "redis")]
            Self::Redis($redis) => $on_redis.await,
            Self::Store($store) => match $budget.spend($on_store).await {
                Some(Ok(value)) => Ok(value),
                Some(Err(error)) => {
                    tracing::debug!(%error, "the cache store failed");
                    Err(Unavailable)
                }
                None => Err(Unavailable),
            },
        }
    };
}

impl Remote {
    pub(crate) async fn get(&self, key: String, budget: &mut Budget) -> Result<Option<Vec<u8>>, Unavailable> {
        ask!(self, budget, redis => redis.get(key, budget), store => store.get(&key))
    }

    /// Reads a key, and the nonces of generations, which are made where there are none.
    pub(crate) async fn get_and_learn(
        &self,
        key: &str,
        generations: &[(String, u64)],
        budget: &mut Budget,
    ) -> Result<(Option<Vec<u8>>, Vec<u64>), Unavailable> {
        ask!(self, budget, redis => redis.get_and_learn(key, generations, GENERATION_LIFE, budget), store => store.get_and_learn(key, generations))
    }

    /// The nonces of generations, which are made where there are none.
    pub(crate) async fn learn(
        &self,
        generations: &[(String, u64)],
        budget: &mut Budget,
    ) -> Result<Vec<u64>, Unavailable> {
        ask!(self, budget, redis => redis.learn(generations, GENERATION_LIFE, budget),
            store => store.learn(generations))
    }

    /// Stores a value over whatever is there, and tells the other processes.
    pub(crate) async fn put(
        &self,
        key: &str,
        value: Vec<u8>,
        ttl: Duration,
        news: &News,
        budget: &mut Budget,
    ) -> Result<(), Unavailable> {
        ask!(self, budget, redis => redis.put(key, &value, ttl, news, budget), store => store.put(key, value, ttl, news))
    }

    /// Claims a key for a load.
    pub(crate) async fn claim(
        &self,
        key: &str,
        claim: &Claim,
        budget: &mut Budget,
    ) -> Result<Claimed, Unavailable> {
        ask!(self, budget, redis => redis.claim(key, claim, budget), store => async {
            store.carry_out(key, Order::Claim(claim.clone()), None).await?.claimed()
        })
    }

    /// Stores the result of a load, if its claim still stands.
    pub(crate) async fn commit(
        &self,
        key: &str,
        token: u64,
        value: Vec<u8>,
        ttl: Duration,
        news: &News,
        budget: &mut Budget,
    ) -> Result<bool, Unavailable> {
        ask!(self, budget, redis => redis.commit(key, token, &value, ttl, news, budget), store => async {
            store.carry_out(key, Order::Commit { token, value, ttl }, Some(news)).await?.committed()
        })
    }

    /// A sign of life of the load that holds a key.
    pub(crate) async fn renew(
        &self,
        key: &str,
        token: u64,
        lease: Duration,
        budget: &mut Budget,
    ) -> Result<(), Unavailable> {
        ask!(self, budget, redis => redis.renew(key, token, lease, budget), store => async {
            store.carry_out(key, Order::Renew { token, lease }, None).await.map(drop)
        })
    }

    /// Removes bytes that are of no use, if they are still the ones whose head was seen.
    pub(crate) async fn discard(
        &self,
        key: &str,
        seen: &[u8],
        budget: &mut Budget,
    ) -> Result<(), Unavailable> {
        ask!(self, budget, redis => redis.discard(key, seen, budget), store => async {
            store.carry_out(key, Order::Discard { seen: seen.to_vec() }, None).await.map(drop)
        })
    }

    /// Gives a claim back.
    pub(crate) async fn release(
        &self,
        key: &str,
        token: u64,
        end: End,
        news: &News,
        budget: &mut Budget,
    ) -> Result<(), Unavailable> {
        ask!(self, budget, redis => redis.release(key, token, end, news, budget), store => async {
            store.carry_out(key, Order::Release { token, end }, Some(news)).await.map(drop)
        })
    }

    pub(crate) async fn exists(&self, key: &str, budget: &mut Budget) -> Result<bool, Unavailable> {
        ask!(self, budget, redis => redis.exists(key, budget), store => store.exists(key))
    }

    pub(crate) async fn get_many(
        &self,
        keys: Vec<String>,
        budget: &mut Budget,
    ) -> Result<Vec<Option<Vec<u8>>>, Unavailable> {
        ask!(self, budget, redis => redis.get_many(keys, budget), store => store.get_many(keys))
    }

    /// Stores several values over whatever is there, and tells the other processes. Gives for each whether it was stored.
    pub(crate) async fn put_many(
        &self,
        entries: Vec<(String, Vec<u8>, Duration, News)>,
        budget: &mut Budget,
    ) -> Vec<Result<(), Unavailable>> {
        let count = entries.len();
        let stored = match self {
            #[cfg(feature = "redis")]
            Self::Redis(redis) => return redis.put_many(entries, budget).await,
            Self::Store(store) => {
                let entries = entries
                    .into_iter()
                    .map(|(key, value, ttl, _)| (key, value, ttl))
                    .collect();
                budget.spend(store.set_many(entries)).await
            }
        };
        if let Some(Err(error)) = &stored {
            tracing::debug!(%error, "the cache store failed");
        }
        let stored = matches!(stored, Some(Ok(())));
        vec![if stored { Ok(()) } else { Err(Unavailable) }; count]
    }

    /// Deletes a key and tells the other processes.
    pub(crate) async fn invalidate(
        &self,
        key: &str,
        news: &News,
        budget: &mut Budget,
    ) -> Result<bool, Unavailable> {
        ask!(self, budget, redis => redis.invalidate(key, news, budget), store => store.invalidate(key, news))
    }

    /// Tells the other processes, where there is a channel.
    pub(crate) async fn announce(&self, news: &[News], budget: &mut Budget) -> Result<(), Unavailable> {
        match self {
            #[cfg(feature = "redis")]
            Self::Redis(redis) => redis.announce(news, budget).await,
            Self::Store(store) => match budget.spend(store.announce(news)).await {
                Some(Ok(())) => Ok(()),
                _ => Err(Unavailable),
            },
        }
    }

    /// Whether it can be asked, as far as is known.
    pub(crate) fn is_up(&self) -> bool {
        match self {
            #[cfg(feature = "redis")]
            Self::Redis(redis) => redis.nodes().is_up(),
            Self::Store(_) => true,
        }
    }

    /// Waits until it can be asked, as long as the budget lasts.
    pub(crate) async fn until_up(&self, budget: &mut Budget) -> bool {
        match self {
            #[cfg(feature = "redis")]
            Self::Redis(redis) => {
                let limit = budget.left();
                budget.spend(redis.nodes().wait_until_up(limit)).await == Some(true)
            }
            Self::Store(_) => {
                let _ = budget;
                true
            }
        }
    }

    /// Whether invalidations of other processes would be missed. A store of the user's own has no channel: its copies
    /// in memory are bounded by `memory_ttl` alone.
    pub(crate) fn is_deaf(&self) -> bool {
        match self {
            #[cfg(feature = "redis")]
            Self::Redis(redis) => !redis.channel.hears(),
            Self::Store(store) => store.is_deaf(),
        }
    }

    /// Deletes several keys and tells the other processes of each. Gives how many were there, and the places of those that
    /// were not deleted, or not told of.
    pub(crate) async fn delete_many(
        &self,
        keys: &[String],
        news: &[News],
        budget: &mut Budget,
    ) -> (u64, Vec<usize>) {
        let deleted = match self {
            #[cfg(feature = "redis")]
            Self::Redis(redis) => return redis.delete_many(keys, news, budget).await,
            Self::Store(store) => budget.spend(store.delete_many(keys.to_vec())).await,
        };
        if let Some(Err(error)) = &deleted {
            tracing::debug!(%error, "the cache store failed");
        }
        let told = self.announce(news, budget).await.is_ok();
        match deleted {
            Some(Ok(deleted)) if told => (deleted, Vec::new()),
            Some(Ok(deleted)) => (deleted, (0..keys.len()).collect()),
            _ => (0, (0..keys.len()).collect()),
        }
    }

    /// Deletes what matches, page by page; the budget is that of one page. `prefix` is the manager's.
    pub(crate) async fn delete_matching(
        &self,
        prefix: &str,
        pattern: &str,
        page: Duration,
        seen: &mut (dyn FnMut(&str) + Send),
    ) -> Result<u64, Unavailable> {
        match self {
            #[cfg(feature = "redis")]
            Self::Redis(redis) => redis.delete_matching(prefix, pattern, page, seen).await,
            Self::Store(store) => {
                let _ = (page, seen);
                let pattern = format!("{}{pattern}", crate::glob::escape(prefix));
                store.delete_matching(&pattern).await.map_err(|_| Unavailable)
            }
        }
    }

    /// Deletes everything under the prefix.
    pub(crate) async fn clear(&self, prefix: &str, page: Duration) -> Result<(), Unavailable> {
        match self {
            #[cfg(feature = "redis")]
            Self::Redis(redis) => redis
                .delete_matching(prefix, EVERYTHING, page, &mut |_| {})
                .await
                .map(drop),
            Self::Store(store) if prefix.is_empty() => {
                let _ = page;
                store.clear().await.map_err(|_| Unavailable)
            }
            Self::Store(store) => {
                let pattern = format!("{}*", crate::glob::escape(prefix));
                store
                    .delete_matching(&pattern)
                    .await
                    .map(drop)
                    .map_err(|_| Unavailable)
            }
        }
    }

    /// Replaces the nonces of generations and tells the other processes.
    pub(crate) async fn renew_generations(
        &self,
        renewed: &[(String, u64, News)],
        budget: &mut Budget,
    ) -> Result<(), Unavailable> {
        ask!(self, budget, redis => redis.renew_generations(renewed, GENERATION_LIFE, budget), store => async {
            for (key, nonce, news) in renewed {
                store.put(key, nonce.to_string().into_bytes(), GENERATION_LIFE, news).await?;
            }
            Ok::<_, BackendError>(())
        })
    }

    /// Whether it has sorted sets.
    pub(crate) fn counts(&self) -> bool {
        match self {
            #[cfg(feature = "redis")]
            Self::Redis(_) => true,
            Self::Store(_) => false,
        }
    }

    /// Adds to scores; nothing where there are no sorted sets.
    pub(crate) async fn add_scores(
        &self,
        key: &str,
        scores: &[(String, u64)],
        budget: &mut Budget,
    ) -> Option<Result<(), Unavailable>> {
        match self {
            #[cfg(feature = "redis")]
            Self::Redis(redis) => Some(redis.add_scores(key, scores, budget).await),
            Self::Store(_) => {
                let _ = (key, scores, budget);
                None
            }
        }
    }

    /// The highest scores; nothing where there are no sorted sets.
    pub(crate) async fn top_scores(
        &self,
        key: &str,
        count: usize,
        budget: &mut Budget,
    ) -> Option<Result<Vec<(String, u64)>, Unavailable>> {
        match self {
            #[cfg(feature = "redis")]
            Self::Redis(redis) => Some(redis.top_scores(key, count, budget).await),
            Self::Store(_) => {
                let _ = (key, count, budget);
                None
            }
        }
    }

    /// Waits until the first attempt to connect is over.
    pub(crate) async fn first_attempt(&self) -> Result<(), CacheError> {
        match self {
            #[cfg(feature = "redis")]
            Self::Redis(redis) => redis.first_attempt().await,
            Self::Store(_) => Ok(()),
        }
    }

    /// What is known about Redis, asked anew.
    pub(crate) async fn health(&self, limit: Duration) -> Option<Facts> {
        match self {
            #[cfg(feature = "redis")]
            Self::Redis(redis) => {
                let (nodes, failure) = redis.health(limit).await;
                Some(Facts {
                    channel: redis.channel.hears(),
                    gaps: redis.channel.gaps(),
                    nodes,
                    failure,
                })
            }
            Self::Store(_) => {
                let _ = limit;
                None
            }
        }
    }

    pub(crate) async fn close(&self) {
        match self {
            #[cfg(feature = "redis")]
            Self::Redis(redis) => redis.close(),
            Self::Store(store) => {
                if let Err(error) = store.close().await {
                    tracing::debug!(%error, "the cache store could not be closed");
                }
            }
        }
    }

    /// Which run of which server keys are on; another one after a restart or a failover, which may have lost invalidations. 0
    /// when that is not known.
    pub(crate) fn origin(&self, keys: impl Iterator<Item = String>) -> u64 {
        match self {
            #[cfg(feature = "redis")]
            Self::Redis(redis) => redis.origin(keys),
            Self::Store(_) => {
                drop(keys);
                0
            }
        }
    }

    /// Which runs of which servers there are: another number whenever one of them is started again, comes or goes. 0 when that is
    /// not known.
    pub(crate) fn runs(&self) -> u64 {
        match self {
            #[cfg(feature = "redis")]
            Self::Redis(redis) => redis.nodes().runs(),
            Self::Store(_) => 0,
        }
    }

    /// Whether a command about a key would fail at once.
    pub(crate) fn is_gone(&self, key: impl FnOnce() -> String) -> bool {
        match self {
            #[cfg(feature = "redis")]
            Self::Redis(redis) => redis.is_gone(key),
            Self::Store(_) => {
                drop(key);
                false
            }
        }
    }

    /// Waits until a command about a key would fail at once. A store of the user's own does not say so.
    pub(crate) async fn until_gone(&self, key: &str) {
        match self {
            #[cfg(feature = "redis")]
            Self::Redis(redis) => redis.nodes().until_gone_at(key).await,
            Self::Store(_) => {
                let _ = key;
                std::future::pending::<()>().await;
            }
        }
    }

    /// The time that the entry of a key is dated with, in milliseconds since 1970: the server's, so that machines whose clocks
    /// differ agree.
    pub(crate) fn now(&self, key: impl FnOnce() -> String) -> u64 {
        match self {
            #[cfg(feature = "redis")]
            Self::Redis(redis) => redis.now(key),
            Self::Store(_) => {
                drop(key);
                clock::wall()
            }
        }
    }
}
