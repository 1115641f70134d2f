//! Several keys at once. Batches of any size are cut into pieces of `INDEXING_BATCH_SIZE`.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::task::JoinHandle;

use super::set::{checked, checked_ttl, hold, kept};
use super::{Anything, CacheManager, Mark, reading, typed};
use crate::engine::remove::Name;
use crate::engine::{Core, Found, Tier, Wanted};
use crate::generations::{Generation, Snapshot};
use crate::stats::LaneLease;
use crate::{CacheError, codec};

impl CacheManager {
    /// The values under several keys, in the order asked.
    pub async fn get_many<T>(&self, keys: impl IntoIterator<Item = impl AsRef<str>>) -> Vec<Option<T>>
    where
        T: DeserializeOwned + Clone + Send + Sync + 'static,
    {
        let keys: Vec<String> = keys.into_iter().map(|key| key.as_ref().to_owned()).collect();
        let mut values: Vec<Option<T>> = Vec::with_capacity(keys.len());
        let core = &self.core;
        let take = |content: &crate::codec::Content| {
            let value = typed(content, reading::<T>(), <Anything>::is::<T>)?;
            value.downcast::<T>().ok().map(|value| T::clone(&value))
        };
        let mut missing = Vec::new();
        for (index, key) in keys.iter().enumerate() {
            let held = core.is_on().then(|| {
                core.memory
                    .fresh(core.memory.hash(key), key, |entry| entry.content.clone())
            });
            let value = held.flatten().and_then(|content| take(&content));
            if value.is_some() {
                core.stats.direct.hit(LaneLease::SHARED);
            } else {
                missing.push(index);
            }
            values.push(value);
        }
        if let Some(remote) = core.remote.as_ref().filter(|_| core.is_on()) {
            let mut budget = core.budget();
            for piece in missing.chunks(core.config.batch_size) {
                let marks: Vec<Mark<'_>> = piece
                    .iter()
                    .filter_map(|index| keys.get(*index))
                    .map(|key| Mark::new(core, core.memory.hash(key), key))
                    .collect();
                let asked: Vec<String> = marks
                    .iter()
                    .map(|mark| core.full_key(&mark.flight().key))
                    .collect();
                let Ok(found) = remote.get_many(asked, &mut budget).await else {
                    break;
                };
                for ((index, bytes), mark) in piece.iter().zip(found).zip(&marks) {
                    let key = &mark.flight().key;
                    let Some(bytes) = bytes.filter(|_| !core.pending.covers(key)) else {
                        continue;
                    };
                    let wanted = Wanted {
                        codec: Some(reading::<T>()),
                        version: None,
                        names: &[],
                        counters: &core.stats.direct,
                    };
                    let fetched = core.decode(remote, key, bytes, &wanted, &mut budget).await;
                    core.discard(remote, key, &fetched, &mut budget).await;
                    if let Found::Fresh(draft) = fetched.found {
                        core.stats.direct.redis_hits.fetch_add(1, Relaxed);
                        if let Some(value) = values.get_mut(*index) {
                            *value = take(&draft.content);
                        }
                        if core.in_memory(Tier::Both) {
                            core.memory.commit(mark.flight(), draft);
                        }
                    }
                }
            }
        }
        let misses = values.iter().filter(|value| value.is_none()).count();
        core.stats.direct.misses.fetch_add(misses as u64, Relaxed);
        values
    }

    /// Stores several values, each for the TTL of its namespace.
    ///
    /// # Errors
    /// As [`set`](Self::set); then nothing is stored.
    pub async fn set_many<K: AsRef<str>, V: Serialize>(
        &self,
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Result<(), CacheError> {
        let encoded = encode_all(&self.core, pairs)?;
        store_all(&self.core, encoded).await;
        Ok(())
    }

    /// Deletes several keys. Tells how many were there.
    pub async fn delete_many(&self, keys: impl IntoIterator<Item = impl AsRef<str>>) -> u64 {
        let keys: Vec<String> = keys.into_iter().map(|key| key.as_ref().to_owned()).collect();
        let core = &self.core;
        core.stats.direct.invalidations.fetch_add(1, Relaxed);
        let mut deleted = 0;
        for piece in keys.chunks(core.config.batch_size) {
            deleted += core.invalidate_many(piece).await;
        }
        deleted
    }

    /// Stores several values in the background. Await what it returns to know that they are there.
    pub fn warm<K: AsRef<str>, V: Serialize>(&self, pairs: impl IntoIterator<Item = (K, V)>) -> Warm {
        let core = Arc::clone(&self.core);
        match encode_all(&core, pairs) {
            Err(error) => Warm(State::Done(Some(Err(error)))),
            Ok(encoded) => {
                let work = async move { store_all(&core, encoded).await };
                match tokio::runtime::Handle::try_current() {
                    Ok(runtime) => Warm(State::Running(runtime.spawn(work))),
                    Err(_) => Warm(State::Lazy(Box::pin(work))),
                }
            }
        }
    }
}

struct EncodedPair {
    key: String,
    bytes: Vec<u8>,
    ttl: u64,
}

fn encode_all<K: AsRef<str>, V: Serialize>(
    core: &Core,
    pairs: impl IntoIterator<Item = (K, V)>,
) -> Result<Vec<EncodedPair>, CacheError> {
    pairs
        .into_iter()
        .map(|(key, value)| {
            let key = key.as_ref().to_owned();
            let bytes = checked(core, &key, codec::encode(&value))?;
            let ttl = checked_ttl(core, &key, None)?;
            Ok(EncodedPair { key, bytes, ttl })
        })
        .collect()
}

async fn store_all(core: &Arc<Core>, pairs: Vec<EncodedPair>) {
    if !core.is_on() {
        return;
    }
    for piece in pairs.chunks(core.config.batch_size) {
        let mut budget = core.budget();
        let names: BTreeMap<Arc<str>, Arc<Generation>> = piece
            .iter()
            .flat_map(|pair| core.generations_of(&pair.key, &[]))
            .map(|generation| (Arc::clone(&generation.name), generation))
            .collect();
        let names: Vec<Arc<Generation>> = names.into_values().collect();
        let standing = core.snapshots(core.remote.as_ref(), &names, &mut budget).await;
        let mut entries = Vec::with_capacity(piece.len());
        let mut told = Vec::with_capacity(piece.len());
        let mut untold = Vec::new();
        for EncodedPair { key, bytes, ttl } in piece {
            let own = core.generations_of(key, &[]);
            let of_key = |snapshot: &&Snapshot| own.iter().any(|own| Arc::ptr_eq(own, &snapshot.generation));
            let generations = standing.iter().filter(of_key).cloned().collect();
            let keep = kept(bytes, *ttl, generations);
            let name = Name::Key(key.clone());
            match hold(core, key, &keep, bytes.clone()) {
                Some(entry) => {
                    let ttl = Duration::from_millis(*ttl);
                    entries.push((core.full_key(key), entry, ttl, name.news()));
                    told.push(name);
                }
                None => untold.push(name),
            }
        }
        let Some(remote) = &core.remote else { continue };
        let stored = remote.put_many(entries, &mut budget).await;
        let left = told.into_iter().zip(stored);
        untold.extend(left.filter_map(|(name, stored)| stored.is_err().then_some(name)));
        for name in untold {
            core.invalidate_later(name);
        }
    }
}

/// Values on their way into the cache; see [`CacheManager::warm`]. It goes on when this is dropped.
pub struct Warm(State);

enum State {
    Running(JoinHandle<()>),
    /// There was no runtime to go on in.
    Lazy(Pin<Box<dyn Future<Output = ()> + Send>>),
    Done(Option<Result<(), CacheError>>),
}

impl std::fmt::Debug for Warm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Warm")
    }
}

impl Future for Warm {
    type Output = Result<(), CacheError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let ready = match &mut self.0 {
            State::Running(task) => Pin::new(task).poll(context).map(|_| Ok(())),
            State::Lazy(work) => work.as_mut().poll(context).map(Ok),
            State::Done(result) => Poll::Ready(result.take().unwrap_or(Ok(()))),
        };
        if ready.is_ready() {
            self.0 = State::Done(None);
        }
        ready
    }
}
