//! Several keys at once. Batches of any size are cut into pieces of `INDEXING_BATCH_SIZE`.

use std::sync::atomic::Ordering::Relaxed;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::set_many::{SetMany, Warm};
use super::{CacheManager, Mark, Sought, reading, typed};
use crate::codec::{self, Codec};
use crate::engine::read::{Found, Wanted};
use crate::engine::standing::Dependencies;
use crate::engine::{Tier, watch};
use crate::stats::LaneLease;

impl CacheManager {
    /// The values under several keys, in the order asked.
    pub async fn get_many<T>(&self, keys: impl IntoIterator<Item = impl AsRef<str>>) -> Vec<Option<T>>
    where
        T: DeserializeOwned + Clone + Send + Sync + 'static,
    {
        let keys: Vec<String> = keys.into_iter().map(|key| key.as_ref().to_owned()).collect();
        let found = self.find_many(&keys, reading::<T>()).await;
        found.into_iter().map(Sought::of).collect()
    }

    /// What is under several keys, in their order.
    pub(crate) async fn find_many(&self, keys: &[String], codec: Codec) -> Vec<Sought> {
        let core = &self.core;
        let counters = &core.stats.direct;
        let mut found = Vec::with_capacity(keys.len());
        let mut missing = Vec::new();
        for (index, key) in keys.iter().enumerate() {
            let hash = core.memory.hash(key);
            let held = core
                .is_on()
                .then(|| core.memory.fresh(hash, key, |entry| entry.content.clone()))
                .flatten();
            if let Some(value) = held.as_ref().and_then(|content| typed(content, codec)) {
                counters.hit(LaneLease::SHARED);
                watch::hit(None, "memory");
                found.push(Sought::Value(value));
                continue;
            }
            missing.push(index);
            if held.is_some() && codec.sole {
                core.memory.remove(hash, key);
                found.push(Sought::Unreadable);
            } else {
                found.push(Sought::Nothing);
            }
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
                let Ok(replies) = remote.get_many(asked, &mut budget).await else {
                    break;
                };
                for ((index, bytes), mark) in piece.iter().zip(replies).zip(&marks) {
                    let key = &mark.flight().key;
                    let Some(bytes) = bytes.filter(|_| !core.pending.covers(key)) else {
                        continue;
                    };
                    let wanted = Wanted {
                        codec: Some(codec),
                        version: None,
                        names: &Dependencies::default(),
                        standing: None,
                        asked: &[],
                        counters,
                    };
                    let fetched = core.decode(remote, key, bytes, &wanted, &mut budget).await;
                    core.discard(remote, key, &fetched, &mut budget).await;
                    let Some(place) = found.get_mut(*index) else {
                        continue;
                    };
                    if fetched.unreadable {
                        *place = Sought::Unreadable;
                    }
                    if let Found::Fresh(draft) = fetched.found {
                        counters.redis_hits.fetch_add(1, Relaxed);
                        watch::hit(None, "redis");
                        *place = typed(&draft.content, codec).map_or(Sought::Nothing, Sought::Value);
                        if core.in_memory(Tier::Both) {
                            core.memory.commit(mark.flight(), draft);
                        }
                    }
                }
            }
        }
        let misses = found.iter().filter(|sought| !sought.is_value()).count();
        counters.misses.fetch_add(misses as u64, Relaxed);
        watch::nothing(None, misses);
        found
    }

    /// Stores several values. Set their TTL and tags on what this returns, then await it, or leave it to the background.
    ///
    /// # Errors
    /// As [`set`](Self::set); then nothing is stored.
    pub fn set_many<K: AsRef<str>, V: Serialize>(&self, pairs: impl IntoIterator<Item = (K, V)>) -> SetMany {
        let encoded = pairs
            .into_iter()
            .map(|(key, value)| (key.as_ref().to_owned(), codec::encode(&value)));
        SetMany::new(&self.core, encoded, 0)
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

    /// Stores several values in the background, each for the TTL of its namespace. Await what it returns to know that they
    /// are there; [`set_many`](Self::set_many) takes a TTL and tags first.
    pub fn warm<K: AsRef<str>, V: Serialize>(&self, pairs: impl IntoIterator<Item = (K, V)>) -> Warm {
        self.set_many(pairs).in_background()
    }
}
