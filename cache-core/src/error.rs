//! The errors a caller of the manager can meet, and the error that waiters of one load share.
//! A failing cache is not an error here: functions run, `get` gives `None`, `set` gives `Ok`.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What can go wrong in a call on a [`CacheManager`](crate::CacheManager).
///
/// An unreachable, hung or full Redis is none of these: it is met by running without it.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CacheError {
    /// A setting cannot be used. The message names the variable or builder method, what it held
    /// (never a secret), and what it takes.
    Config(String),
    /// An argument is out of range: a TTL of zero, a batch over its limit. The message says what is allowed.
    Validation(String),
    /// The value cannot be written by its own `Serialize`. The message names the key and the reason.
    Serialization(String),
    /// The encoded value is larger than the limit. Sizes are in bytes.
    TooLarge {
        /// Length of the encoded value.
        bytes: usize,
        /// The limit, `max_value_bytes` of the builder.
        limit: usize,
    },
}

impl fmt::Display for CacheError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(what) | Self::Validation(what) | Self::Serialization(what) => f.write_str(what),
            Self::TooLarge { bytes, limit } => {
                write!(
                    f,
                    "the encoded value has {bytes} bytes, more than the {limit} that are stored at most"
                )
            }
        }
    }
}

impl std::error::Error for CacheError {}

/// The error of a load, as the callers who waited for it receive it.
///
/// One run of a function serves many callers. When it fails, the caller who ran it gets the function's own
/// error; the others get a clone where the error type is `Clone`, and otherwise this one, turned into their
/// error type by its `From<SharedError>`. `anyhow::Error` and `Box<dyn Error + Send + Sync>` have that
/// conversion already.
#[derive(Debug, Clone)]
pub struct SharedError {
    message: Arc<str>,
    timed_out: bool,
}

impl SharedError {
    pub(crate) fn new(message: impl Into<Arc<str>>) -> Self {
        Self {
            message: message.into(),
            timed_out: false,
        }
    }

    pub(crate) fn timed_out(function: &str, most: Duration) -> Self {
        Self {
            message: format!("`{function}` took longer than its `hard_timeout` of {most:?}").into(),
            timed_out: true,
        }
    }

    /// Whether this is not an error of the function, but of its `hard_timeout`.
    pub fn is_timeout(&self) -> bool {
        self.timed_out
    }
}

impl fmt::Display for SharedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for SharedError {}
