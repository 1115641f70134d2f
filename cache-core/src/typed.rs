//! Caches with a type: what the keys and values of a namespace are is said once, and the compiler holds every use to it.
//! They store through the manager like everything else. Invariant: what does not decode is of no use to anybody, and goes.

#[cfg(feature = "uuid")]
mod users;

use std::any::TypeId;
use std::borrow::Borrow;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

#[cfg(feature = "uuid")]
pub use users::{UserIdToUuid, UserUuidToId};

use crate::codec::{self, Codec, Value};
use crate::manager::{Fetch, Set, SetMany, Sought};
use crate::{CacheError, CacheKey, CacheManager, Key, entry};

/// The most entries of one batch.
const MOST: usize = 100;

/// What the keys and values of a namespace are. Implement it for a type that stands for the cache, and reach the cache with
/// [`CacheManager::of`].
///
/// ```
/// use std::time::Duration;
/// use cache_core::{CacheManager, CacheNamespace};
///
/// /// The user that a session belongs to, under `session:token:{token}`.
/// struct SessionToken;
///
/// impl CacheNamespace for SessionToken {
///     const NAMESPACE: &'static str = "session:token";
///     const TTL: Duration = Duration::from_secs(300);
///     type Key = String;
///     type Value = u64;
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), cache_core::CacheError> {
/// # let cache = CacheManager::in_memory();
/// cache.of::<SessionToken>().set("token_abc123", &42).await?;
/// assert_eq!(cache.of::<SessionToken>().get("token_abc123").await, Some(42));
/// assert_eq!(cache.of::<SessionToken>().get("token_xyz").await, None);
/// # Ok(())
/// # }
/// ```
///
/// A namespace that could not stand in a template, or a TTL of zero, does not compile:
///
/// ```compile_fail,E0080
/// # use std::time::Duration;
/// # use cache_core::{CacheManager, CacheNamespace};
/// struct Broken;
/// impl CacheNamespace for Broken {
///     const NAMESPACE: &'static str = "session:*";
///     const TTL: Duration = Duration::from_secs(300);
///     type Key = String;
///     type Value = u64;
/// }
/// CacheManager::in_memory().of::<Broken>();
/// ```
pub trait CacheNamespace: 'static {
    /// What every key begins with, before its colon: segments of a template, separated by colons.
    const NAMESPACE: &'static str;
    /// How long entries are fresh. What the environment says of the namespace does not change it.
    const TTL: Duration;
    /// What entries are found by.
    type Key: CacheKey;
    /// What is stored.
    type Value: Serialize + DeserializeOwned + Clone + Send + Sync + 'static;

    /// The bytes of a value; without an implementation of its own, JSON.
    ///
    /// # Errors
    /// Why the value cannot be written.
    fn encode(value: &Self::Value) -> Result<Vec<u8>, Box<dyn std::error::Error + Send + Sync>> {
        codec::encode(value).map_err(Into::into)
    }

    /// The value of what [`encode`](Self::encode) gave. The bytes come from Redis and may be anything.
    ///
    /// # Errors
    /// Why the bytes are no value.
    fn decode(bytes: &[u8]) -> Result<Self::Value, Box<dyn std::error::Error + Send + Sync>> {
        codec::decode(bytes).map_err(Into::into)
    }
}

/// The cache of one namespace; see [`CacheManager::of`].
pub struct Typed<'a, N> {
    cache: &'a CacheManager,
    namespace: PhantomData<fn() -> N>,
}

impl<N> Clone for Typed<'_, N> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<N> Copy for Typed<'_, N> {}

impl<N: CacheNamespace> std::fmt::Debug for Typed<'_, N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Typed")
            .field("namespace", &N::NAMESPACE)
            .field("ttl", &N::TTL)
            .finish_non_exhaustive()
    }
}

impl CacheManager {
    /// The cache of a namespace whose types are known: the only way to it.
    pub fn of<N: CacheNamespace>(&self) -> Typed<'_, N> {
        const {
            assert!(
                is_namespace(N::NAMESPACE),
                "`NAMESPACE` is what keys begin with: segments of letters, digits, `-`, `_` and `.`, with colons between"
            );
            assert!(
                !N::TTL.is_zero(),
                "a `TTL` of zero stores nothing: give a longer one"
            );
        }
        Typed {
            cache: self,
            namespace: PhantomData,
        }
    }
}

impl<'a, N: CacheNamespace> Typed<'a, N> {
    /// The value of a key. Nothing when there is none, or when Redis cannot be asked. What cannot be decoded is logged and
    /// removed, and counts as none.
    pub async fn get<Q>(&self, key: &Q) -> Option<N::Value>
    where
        N::Key: Borrow<Q>,
        Q: CacheKey + ?Sized,
    {
        let found = self.cache.find(&key_of::<N>(key), codec_of::<N>()).await;
        told::<N>(found)
    }

    /// Stores the value of a key.
    ///
    /// # Errors
    /// [`CacheError::Serialization`] when the value cannot be written, and [`CacheError::TooLarge`]. An unreachable Redis is
    /// no error.
    pub async fn set<Q>(&self, key: &Q, value: &N::Value) -> Result<(), CacheError>
    where
        N::Key: Borrow<Q>,
        Q: CacheKey + ?Sized,
    {
        let key = key_of::<N>(key);
        let shape = self.cache.core.shape_of(codec_of::<N>());
        Set::encoded(&self.cache.core, key, encoded::<N>(value), shape)
            .ttl(N::TTL)
            .await
    }

    /// The value of a key, or what `load` gives, which is then stored; see [`CacheManager::get_or_fetch`]. Unlike a
    /// [`get`](Self::get) and a [`set`](Self::set), it runs once for several callers, and does not store what was invalidated
    /// while it was loaded.
    pub fn get_or_fetch<Q, E, L, F>(&self, key: &Q, load: L) -> Fetch<'a, N::Value, E, L>
    where
        N::Key: Borrow<Q>,
        Q: CacheKey + ?Sized,
        L: FnOnce() -> F + Send + 'a,
        F: Future<Output = Result<N::Value, E>> + Send,
        E: Send,
    {
        let key = key_of::<N>(key);
        Fetch::new(&self.cache.core, key, codec_of::<N>(), load).ttl(N::TTL)
    }

    /// The values of several keys, in the order asked.
    ///
    /// # Errors
    /// [`CacheError::Validation`] for more than 100 keys.
    pub async fn get_many(&self, keys: &[N::Key]) -> Result<Vec<Option<N::Value>>, CacheError> {
        check_size::<N>("get_many", keys.len())?;
        let keys: Vec<String> = keys.iter().map(|key| key_of::<N>(key)).collect();
        let found = self.cache.find_many(&keys, codec_of::<N>()).await;
        Ok(found.into_iter().map(told::<N>).collect())
    }

    /// Stores several values.
    ///
    /// # Errors
    /// [`CacheError::Validation`] for more than 100 pairs, and as [`set`](Self::set); then nothing is stored.
    pub async fn set_many(&self, pairs: &[(N::Key, N::Value)]) -> Result<(), CacheError> {
        check_size::<N>("set_many", pairs.len())?;
        let encoded = pairs
            .iter()
            .map(|(key, value)| (key_of::<N>(key), encoded::<N>(value)));
        let shape = self.cache.core.shape_of(codec_of::<N>());
        SetMany::new(&self.cache.core, encoded, shape).ttl(N::TTL).await
    }

    /// Deletes the value of a key, and tells whether it was there.
    pub async fn invalidate<Q>(&self, key: &Q) -> bool
    where
        N::Key: Borrow<Q>,
        Q: CacheKey + ?Sized,
    {
        self.cache.delete(key_of::<N>(key)).await
    }

    /// Whether something is stored for a key.
    pub async fn exists<Q>(&self, key: &Q) -> bool
    where
        N::Key: Borrow<Q>,
        Q: CacheKey + ?Sized,
    {
        self.cache.exists(key_of::<N>(key)).await
    }
}

/// The key of a value, as text.
fn key_of<N: CacheNamespace>(key: &(impl CacheKey + ?Sized)) -> String {
    let key = Key::render(|out| {
        out.literal(N::NAMESPACE);
        out.literal(":");
        key.write_key(out);
    });
    key.as_str().to_owned()
}

/// The value that was found. Of what cannot be read, somebody should know.
fn told<N: CacheNamespace>(found: Sought) -> Option<N::Value> {
    if let Sought::Unreadable = found {
        tracing::error!(
            namespace = N::NAMESPACE,
            "an entry cannot be decoded; it was removed and counts as a miss"
        );
    }
    found.of()
}

fn encoded<N: CacheNamespace>(value: &N::Value) -> Result<Vec<u8>, String> {
    N::encode(value).map_err(|reason| reason.to_string())
}

fn codec_of<N: CacheNamespace>() -> Codec {
    Codec {
        encode: |value| match value.downcast_ref::<N::Value>() {
            Some(value) => encoded::<N>(value),
            None => Err("the value is of another type".to_owned()),
        },
        decode: |bytes| match N::decode(bytes) {
            Ok(value) => Ok(Arc::new(value) as Value),
            // The reason may quote what was read, and goes to the log.
            Err(_) => Err("the codec of its namespace does not read it".to_owned()),
        },
        count: |_| None,
        of: TypeId::of::<N::Value>,
        shape: codec::fingerprint::of::<N::Value>,
        sole: true,
        format: entry::JSON,
        date: |_, _| {},
    }
}

fn check_size<N: CacheNamespace>(method: &str, size: usize) -> Result<(), CacheError> {
    if size <= MOST {
        return Ok(());
    }
    Err(CacheError::Validation(format!(
        "`{method}` of namespace `{}` was given {size} entries; it takes {MOST} at most: use `chunks({MOST})`",
        N::NAMESPACE
    )))
}

/// Whether a text can stand in front of a key, as the literals of templates can.
const fn is_namespace(text: &str) -> bool {
    let mut bytes = text.as_bytes();
    let mut before = b':';
    while let [byte, rest @ ..] = bytes {
        let plain = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        // No segment is empty.
        if !(plain || !byte.is_ascii() || (*byte == b':' && before != b':')) {
            return false;
        }
        before = *byte;
        bytes = rest;
    }
    before != b':'
}

#[cfg(test)]
mod tests {
    use super::is_namespace;

    #[test]
    fn a_namespace_is_what_a_template_begins_with() {
        for right in ["user", "session:token", "größe", "a.b-c_d"] {
            assert!(is_namespace(right), "{right}");
        }
        for wrong in [
            "", ":", "a:", ":a", "a::b", "a*", "a b", "a%b", "a{b}", "a?", "[a]", "a\\",
        ] {
            assert!(!is_namespace(wrong), "{wrong}");
        }
    }
}
