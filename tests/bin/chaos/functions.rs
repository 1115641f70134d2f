//! The cached functions, and all ways to invalidate them. They cache what the source of truth holds.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use cache_core::{CacheManager, cache_result, invalidate_cache};
use serde::{Deserialize, Serialize};

use crate::truth::{Mark, Truth, Versions};

/// The functions, by the namespaces of their keys.
pub(crate) const FUNCTIONS: [&str; 6] = ["item", "tagged", "flaky", "ahead", "soon", "fetch"];
/// The keys of each function.
pub(crate) const IDS: usize = 48;
/// Those of them that are changed often, so that loads and invalidations meet; copies of the others live long enough to
/// become too old.
const HOT: usize = 6;
pub(crate) const KEYS: usize = FUNCTIONS.len() * IDS;
const CITIES: usize = 4;
const TAGGED: usize = 1;
const FLAKY: usize = 2;
const FETCH: usize = 5;

/// The file that the environment names.
pub(crate) static TRUTH: LazyLock<Truth> = LazyLock::new(|| {
    let path = std::env::var_os("CHAOS_TRUTH").expect("a path");
    Truth::open(path.as_ref(), KEYS)
});

/// What the source gives. It knows its key, so that it can be told from the value of another one.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Value {
    pub(crate) key: usize,
    pub(crate) versions: Versions,
    /// Enough to be compressed, for some.
    filler: String,
}

/// The source failed.
#[derive(Debug, Clone)]
pub(crate) struct Broken;

/// A number below this one.
pub(crate) fn random(below: usize) -> usize {
    static STATE: LazyLock<AtomicU64> = LazyLock::new(|| AtomicU64::new(u64::from(std::process::id()) << 32));
    // SplitMix64, by Sebastiano Vigna.
    let mut number = STATE.fetch_add(0x9E37_79B9_7F4A_7C15, Relaxed);
    number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((number ^ (number >> 31)) % below as u64) as usize
}

pub(crate) fn key_of(function: usize, id: usize) -> usize {
    function * IDS + id
}

/// The key as it is written.
pub(crate) fn text_of(key: usize) -> String {
    format!("{}:{}", FUNCTIONS[key / IDS], key % IDS)
}

/// Whether the source takes its time for this key.
pub(crate) fn is_slow(key: usize) -> bool {
    key % 4 == 3
}

/// Whether the source fails now and then for this key.
pub(crate) fn may_fail(key: usize) -> bool {
    key / IDS == FLAKY
}

async fn load(function: usize, id: usize) -> Result<Value, Broken> {
    let key = key_of(function, id);
    let versions = TRUTH.versions(key, Mark::Written);
    if is_slow(key) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    } else {
        tokio::task::yield_now().await;
    }
    if may_fail(key) && random(5) == 0 {
        return Err(Broken);
    }
    let filler = if function == TAGGED {
        "x".repeat(2000)
    } else {
        String::new()
    };
    Ok(Value {
        key,
        versions,
        filler,
    })
}

#[cache_result(key = "item:{id}", ttl = "1h")]
async fn item(id: usize) -> Result<Value, Broken> {
    load(0, id).await
}

#[cache_result(key = "tagged:{id}", ttl = "1h", skip(city), tags = ["city:{city}"])]
async fn tagged(id: usize, city: usize) -> Result<Value, Broken> {
    let _ = city;
    load(TAGGED, id).await
}

#[cache_result(key = "flaky:{id}", ttl = "500ms", stale_if_error = "1h")]
async fn flaky(id: usize) -> Result<Value, Broken> {
    load(FLAKY, id).await
}

#[cache_result(key = "ahead:{id}", ttl = "2s", refresh_ahead = 0.2)]
async fn ahead(id: usize) -> Result<Value, Broken> {
    load(3, id).await
}

#[cache_result(key = "soon:{id}", ttl = "300ms", stale_while_revalidate = "1h")]
async fn soon(id: usize) -> Result<Value, Broken> {
    load(4, id).await
}

/// Calls the function of a key.
pub(crate) async fn call(cache: &CacheManager, key: usize) -> Result<Value, Broken> {
    let id = key % IDS;
    match key / IDS {
        0 => item(id).await,
        1 => tagged(id, id % CITIES).await,
        2 => flaky(id).await,
        3 => ahead(id).await,
        4 => soon(id).await,
        _ => {
            let fetch = cache.get_or_fetch(text_of(key), || load(FETCH, id));
            fetch
                .ttl(Duration::from_secs(3600))
                .tags([format!("city:{}", id % CITIES)])
                .await
        }
    }
}

/// What is invalidated, and how.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Change {
    /// One key, by the manager.
    Delete(usize),
    /// One key, by the attribute.
    Attribute(usize),
    /// Some keys of a function in one go.
    DeleteMany(usize),
    Tag(usize),
    TagAttribute(usize),
    /// All of a function, by the attribute.
    Function(usize),
    /// All of a namespace, by the attribute.
    Namespace(usize),
    /// All of a namespace, looked for.
    Pattern(usize),
    /// A part of a namespace, looked for by the attribute.
    Part(usize),
    Clear,
}

impl Change {
    pub(crate) fn any() -> Self {
        let function = random(FUNCTIONS.len());
        let id = random(if random(2) == 0 { HOT } else { IDS });
        let key = key_of(function, id);
        match random(1000) {
            0..470 => Self::Delete(key),
            470..940 => Self::Attribute(key),
            940..960 => Self::DeleteMany(function),
            960..968 => Self::Tag(random(CITIES)),
            968..976 => Self::TagAttribute(random(CITIES)),
            976..982 => Self::Function(random(FETCH)),
            982..987 => Self::Namespace(function),
            987..992 => Self::Pattern(function),
            992..998 => Self::Part(function),
            _ => Self::Clear,
        }
    }

    /// The keys that it is about.
    pub(crate) fn keys(self) -> Vec<usize> {
        let all = |function: usize| key_of(function, 0)..key_of(function, IDS);
        match self {
            Self::Delete(key) | Self::Attribute(key) => vec![key],
            Self::DeleteMany(function) => all(function).step_by(7).collect(),
            Self::Tag(city) | Self::TagAttribute(city) => [TAGGED, FETCH]
                .into_iter()
                .flat_map(all)
                .filter(|key| key % IDS % CITIES == city)
                .collect(),
            Self::Function(function) | Self::Namespace(function) | Self::Pattern(function) => {
                all(function).collect()
            }
            Self::Part(function) => all(function)
                .filter(|key| (10..20).contains(&(key % IDS)))
                .collect(),
            Self::Clear => (0..KEYS).collect(),
        }
    }

    /// Changes the source, and invalidates. Gives the versions that were made.
    pub(crate) async fn make(self, cache: &CacheManager, writer: usize) -> Vec<(usize, u64)> {
        match self {
            Self::Attribute(key) => change_one(self, writer, FUNCTIONS[key / IDS], key % IDS).await,
            Self::TagAttribute(city) => change_city(self, writer, city).await,
            Self::Function(function) => match function {
                0 => change_items(self, writer).await,
                1 => change_tagged(self, writer).await,
                2 => change_flaky(self, writer).await,
                3 => change_ahead(self, writer).await,
                _ => change_soon(self, writer).await,
            },
            Self::Namespace(function) => change_namespace(self, writer, FUNCTIONS[function]).await,
            Self::Part(function) => change_part(self, writer, FUNCTIONS[function]).await,
            Self::Delete(key) => {
                let made = self.raise(writer);
                cache.delete(text_of(key)).await;
                made
            }
            Self::DeleteMany(_) => {
                let made = self.raise(writer);
                let keys: Vec<String> = made.iter().map(|(key, _)| text_of(*key)).collect();
                cache.delete_many(&keys).await;
                made
            }
            Self::Tag(city) => {
                let made = self.raise(writer);
                cache.invalidate_tag(format!("city:{city}")).await;
                made
            }
            Self::Pattern(function) => {
                let made = self.raise(writer);
                cache.invalidate(format!("{}:*", FUNCTIONS[function])).await;
                made
            }
            Self::Clear => {
                let made = self.raise(writer);
                cache.clear().await;
                made
            }
        }
    }

    fn raise(self, writer: usize) -> Vec<(usize, u64)> {
        let raised = self.keys().into_iter().map(|key| (key, TRUTH.raise(key, writer)));
        raised.collect()
    }
}

type Made = Vec<(usize, u64)>;

#[invalidate_cache("{namespace}:{id}")]
async fn change_one(change: Change, writer: usize, namespace: &str, id: usize) -> Made {
    let _ = (namespace, id);
    change.raise(writer)
}

#[invalidate_cache(tags = ["city:{city}"])]
async fn change_city(change: Change, writer: usize, city: usize) -> Made {
    let _ = city;
    change.raise(writer)
}

#[invalidate_cache("{namespace}:*")]
async fn change_namespace(change: Change, writer: usize, namespace: &str) -> Made {
    let _ = namespace;
    change.raise(writer)
}

#[invalidate_cache("{namespace}:1?")]
async fn change_part(change: Change, writer: usize, namespace: &str) -> Made {
    let _ = namespace;
    change.raise(writer)
}

#[invalidate_cache(item(..))]
async fn change_items(change: Change, writer: usize) -> Made {
    change.raise(writer)
}

#[invalidate_cache(tagged(..))]
async fn change_tagged(change: Change, writer: usize) -> Made {
    change.raise(writer)
}

#[invalidate_cache(flaky(..))]
async fn change_flaky(change: Change, writer: usize) -> Made {
    change.raise(writer)
}

#[invalidate_cache(ahead(..))]
async fn change_ahead(change: Change, writer: usize) -> Made {
    change.raise(writer)
}

#[invalidate_cache(soon(..))]
async fn change_soon(change: Change, writer: usize) -> Made {
    change.raise(writer)
}
