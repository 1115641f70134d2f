//! What a store is asked to do with one key in one step, as a value with all that it takes.
//! It is carried out by whoever may change the key, whenever that is. Invariant: what is decided depends on the bytes and
//! the time at that moment alone.

use std::time::Duration;

use super::guard::{self, Change, Claim, Claimed, End};
use super::{BackendError, GENERATION_LIFE};

/// A step.
#[derive(Debug, Clone)]
pub(crate) enum Order {
    /// The nonce of a generation, which is `fresh` if there is none.
    Learn { fresh: u64 },
    /// Claims the key for a load.
    Claim(Claim),
    /// Stores the result of a load, if its claim stands.
    Commit {
        token: u64,
        value: Vec<u8>,
        ttl: Duration,
    },
    /// A sign of life of the load that holds the key.
    Renew { token: u64, lease: Duration },
    /// Removes bytes that are of no use, if they are still the ones whose head was seen.
    Discard { seen: Vec<u8> },
    /// Gives a claim back.
    Release { token: u64, end: End },
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    Done,
    Nonce(u64),
    Claimed(Claimed),
    Committed(bool),
}

impl Order {
    /// What becomes of the bytes, and what is answered.
    pub(crate) fn decide(&self, current: Option<&[u8]>, now: u64) -> (Change, Reply) {
        match self {
            Self::Learn { fresh } => {
                match current.and_then(|bytes| std::str::from_utf8(bytes).ok()?.parse().ok()) {
                    Some(nonce) => (Change::Keep, Reply::Nonce(nonce)),
                    None => (
                        Change::Put {
                            value: fresh.to_string().into_bytes(),
                            ttl: GENERATION_LIFE,
                        },
                        Reply::Nonce(*fresh),
                    ),
                }
            }
            Self::Claim(claim) => {
                let (change, claimed) = guard::claim(current, claim, now);
                (change, Reply::Claimed(claimed))
            }
            Self::Commit { token, value, ttl } => {
                let stands = guard::may_commit(current, *token);
                let change = if stands {
                    Change::Put {
                        value: value.clone(),
                        ttl: *ttl,
                    }
                } else {
                    Change::Keep
                };
                (change, Reply::Committed(stands))
            }
            Self::Renew { token, lease } => (guard::renew(current, *token, *lease, now), Reply::Done),
            Self::Discard { seen } => (guard::discard(current, seen), Reply::Done),
            Self::Release { token, end } => (guard::release(current, *token, *end, now), Reply::Done),
        }
    }
}

impl Reply {
    /// For a store that answers something else than it was asked.
    fn wrong<T>() -> Result<T, BackendError> {
        Err(BackendError::new("the answer is to another question"))
    }

    pub(crate) fn nonce(self) -> Result<u64, BackendError> {
        match self {
            Self::Nonce(nonce) => Ok(nonce),
            _ => Self::wrong(),
        }
    }

    pub(crate) fn claimed(self) -> Result<Claimed, BackendError> {
        match self {
            Self::Claimed(claimed) => Ok(claimed),
            _ => Self::wrong(),
        }
    }

    pub(crate) fn committed(self) -> Result<bool, BackendError> {
        match self {
            Self::Committed(stands) => Ok(stands),
            _ => Self::wrong(),
        }
    }
}
