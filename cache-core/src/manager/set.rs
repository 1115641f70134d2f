//! Storing a value under a raw key.

use std::future::IntoFuture;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use serde::Serialize;

use super::encoded;
use crate::config::duration::millis;
use crate::engine::remove::Name;
use crate::engine::{Core, Keep, Tier};
use crate::generations::{Snapshot, fresh_nonce};
use crate::{CacheError, clock, codec, entry};

/// A value to be stored; see [`CacheManager::set`](crate::CacheManager::set). It does nothing until awaited.
#[must_use = "nothing is stored until this is awaited"]
pub struct Set<'a> {
    core: &'a Arc<Core>,
    key: String,
    value: Result<Vec<u8>, CacheError>,
    /// The shape of the value's type; 0 when it is not known.
    shape: u64,
    /// It is longer than what is stored: whatever is there goes instead.
    too_long: bool,
    ttl: Option<Duration>,
    tags: Vec<String>,
}

impl std::fmt::Debug for Set<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Set")
            .field("key", &self.key)
            .field("ttl", &self.ttl)
            .field("tags", &self.tags)
            .finish_non_exhaustive()
    }
}

impl<'a> Set<'a> {
    pub(super) fn new<T: Serialize + ?Sized>(core: &'a Arc<Core>, key: String, value: &T) -> Self {
        Self::encoded(core, key, codec::encode(value), 0)
    }

    /// A value that is encoded already, or why it is not, with the shape of its type.
    pub(crate) fn encoded(
        core: &'a Arc<Core>,
        key: String,
        bytes: Result<Vec<u8>, String>,
        shape: u64,
    ) -> Self {
        Self {
            core,
            value: checked(core, &key, bytes),
            key,
            shape,
            too_long: false,
            ttl: None,
            tags: Vec::new(),
        }
    }

    /// Nothing that can be stored, and why.
    pub(crate) fn failed(core: &'a Arc<Core>, error: CacheError) -> Self {
        Self {
            core,
            key: String::new(),
            value: Err(error),
            shape: 0,
            too_long: false,
            ttl: None,
            tags: Vec::new(),
        }
    }

    /// Whether it is longer than what is stored, so that whatever is there goes instead.
    pub(crate) fn too_long(mut self, too_long: bool) -> Self {
        self.too_long = too_long;
        self
    }

    /// How long the value is fresh; without this, as long as its namespace says, which is what the key begins with up
    /// to its first colon.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// Names under which the entry can be invalidated.
    pub fn tags<S: Into<String>>(mut self, tags: impl IntoIterator<Item = S>) -> Self {
        self.tags.extend(tags.into_iter().map(Into::into));
        self
    }

    async fn store(self) -> Result<(), CacheError> {
        let core = self.core;
        let bytes = self.value?;
        let ttl = checked_ttl(core, &self.key, self.ttl)?;
        if !core.is_on() {
            return Ok(());
        }
        let mut budget = core.budget();
        if self.too_long {
            core.invalidate(Name::Key(self.key), &mut budget).await;
            return Ok(());
        }
        let names = core.generations_of(&self.key, &self.tags);
        let generations = core.snapshots(core.remote.as_ref(), &names, &mut budget).await;
        let keep = kept(&bytes, ttl, self.shape, generations);
        if let Some(entry) = hold(core, &self.key, &keep, bytes) {
            let full = core.full_key(&self.key);
            let name = Name::Key(self.key);
            let life = Duration::from_millis(ttl);
            let put = match &core.remote {
                Some(remote) => remote.put(&full, entry, life, &name.news(), &mut budget).await,
                None => Ok(()),
            };
            if put.is_err() {
                // What Redis has is older than this.
                core.invalidate_later(name);
            }
        } else if core.remote.is_some() {
            core.invalidate_later(Name::Key(self.key));
        }
        Ok(())
    }
}

/// A value that somebody says is that of a key.
pub(super) fn kept(bytes: &[u8], ttl: u64, shape: u64, generations: Arc<[Snapshot]>) -> Keep {
    Keep {
        size: bytes.len(),
        content: encoded(bytes.to_vec()),
        ttl,
        stale: 0,
        tier: Tier::Both,
        version: 0,
        shape,
        codec: entry::JSON,
        generations,
        encoded: None,
    }
}

/// Has memory hold a value over whatever is there or on its way. Gives what the shared tier is to hold; nothing where
/// there is none, or where the value could not be invalidated because a generation is not known.
pub(super) fn hold(core: &Core, key: &str, keep: &Keep, bytes: Vec<u8>) -> Option<Vec<u8>> {
    let hash = core.memory.hash(key);
    if core.in_memory(Tier::Both) {
        let draft = core.draft(keep, clock::now(), &core.stats.direct);
        core.memory.replace(hash, key, draft);
    } else {
        core.memory.fence(hash, key);
    }
    let remote = core.remote.as_ref()?;
    let stored = core.stored(key, keep, remote, fresh_nonce(), Some(bytes))?;
    let entry = stored.write(key, core.config.compression_threshold);
    core.stats.direct.bytes.fetch_add(entry.len() as u64, Relaxed);
    Some(entry)
}

/// The encoded value, if there is one and it is not too large.
pub(super) fn checked(core: &Core, key: &str, bytes: Result<Vec<u8>, String>) -> Result<Vec<u8>, CacheError> {
    let bytes = bytes.map_err(|reason| {
        let namespace = key.split(':').next().unwrap_or_default();
        CacheError::Serialization(format!(
            "a value of namespace `{namespace}` cannot be serialised: {reason}"
        ))
    })?;
    let limit = core.config.max_value_bytes;
    if bytes.len() > limit {
        return Err(CacheError::TooLarge {
            bytes: bytes.len(),
            limit,
        });
    }
    Ok(bytes)
}

/// The TTL in milliseconds, if it is one.
pub(super) fn checked_ttl(core: &Core, key: &str, ttl: Option<Duration>) -> Result<u64, CacheError> {
    match ttl {
        Some(ttl) if ttl.is_zero() => Err(CacheError::Validation(
            "a TTL of zero stores nothing: give a longer one, or do not set the value".to_owned(),
        )),
        Some(ttl) => Ok(millis(ttl)),
        None => Ok(millis(core.default_ttl(key))),
    }
}

impl<'a> IntoFuture for Set<'a> {
    type Output = Result<(), CacheError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.store())
    }
}
