//! Keys: what an entry is called, in memory and in Redis.
//! A key is made from a template and arguments by [`KeyWriter`], or taken as it is from a string.
//! Invariant: two different lists of arguments never write the same key.

mod canonical;
mod part;
mod writer;

use std::fmt;
use std::sync::Arc;

pub use canonical::Canonical;
pub use part::CacheKey;
pub(crate) use writer::Numbered;
pub use writer::{Integer, KeyWriter};

pub(crate) use canonical::{canonical_json, digest_of_bytes, digest_of_json, to_json};
pub(crate) use writer::{is_plain, is_shortened};

/// A rendered key: what follows the prefix in Redis, such as `lead:42`.
///
/// Every method that takes a key takes one of these, by value or by reference, or any string. Strings are
/// taken as they are; only templates escape.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(Arc<str>);

impl Key {
    /// The text of the key.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn from_text(text: &str) -> Self {
        Self(Arc::from(text))
    }

    /// The key that is written; an empty one where a value could not be.
    pub(crate) fn render(write: impl FnOnce(&mut KeyWriter)) -> Self {
        let mut writer = KeyWriter::new();
        write(&mut writer);
        if writer.has_failed() {
            return Self::from_text("");
        }
        // The writer puts nothing but text into keys.
        Self::from_text(std::str::from_utf8(writer.finish()).unwrap_or_default())
    }

    /// The pattern that is written, of any length. Values in it match themselves alone.
    pub(crate) fn pattern(write: impl FnOnce(&mut KeyWriter)) -> String {
        let mut writer = KeyWriter::new();
        write(&mut writer);
        writer.into_pattern()
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({:?})", &*self.0)
    }
}

impl AsRef<str> for Key {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Key {
    fn from(text: &str) -> Self {
        Self::from_text(text)
    }
}

impl From<String> for Key {
    fn from(text: String) -> Self {
        Self(Arc::from(text))
    }
}
