//! The guard of one key in the shared tier: a load claims the key before it runs, and its result is stored only if the
//! claim still stands. The claim is a lease in the head of the entry itself, so that whatever deletes the key defeats it.
//!
//! What is decided here is pure; the Redis tier decides the same in its scripts. Invariant: of all loads that ever claim
//! one key, only the one whose token stands in the head may store.

use std::time::Duration;

use crate::config::duration::millis;
use crate::entry::{self, HEAD, Seen};
use crate::planted::{Bug, planted};

/// What a load asks of the shared tier before it runs.
#[derive(Debug, Clone)]
pub(crate) struct Claim {
    /// What no other load has.
    pub(crate) token: u64,
    /// What the load depends on. Loads on other terms are not waited for.
    pub(crate) terms: u64,
    /// How long the key is held without a sign of life.
    pub(crate) lease: Duration,
    pub(crate) aim: Aim,
    /// The head of an entry that was read, and that this load is to replace although it may look fresh.
    pub(crate) seen: Seen,
    /// The token of a load that this one has waited for; 0 for none.
    pub(crate) waited: u64,
}

/// What a load is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Aim {
    /// A value where there is none of use. What was seen is of no use.
    Fill,
    /// A newer value, while the one that was seen is served.
    Refresh,
    /// A value that replaces whatever is there or on its way.
    Replace,
}

/// The answer to a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Claimed {
    /// The key is held for this load.
    Granted,
    /// Another load holds it, for this long unless it gives a sign of life.
    Held { by: u64, left: Duration },
    /// An entry has come meanwhile.
    Found(Vec<u8>),
    /// The load that was waited for has failed.
    Failed,
}

/// What becomes of the bytes under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// They stay.
    Keep,
    /// They are replaced, to be forgotten after `ttl`.
    Put {
        /// The bytes to store.
        value: Vec<u8>,
        /// How long to store them.
        ttl: Duration,
    },
    /// They are deleted.
    Delete,
}

const HELD: u8 = 1;
const FAILED: u8 = 2;
/// Held, and somebody waits to be told of a failure.
const AWAITED: u8 = 3;

/// How long those who wait can still find out that a load has failed.
pub(crate) const TOLD: Duration = Duration::from_secs(1);

/// The head of an entry, or a lease alone.
struct Head<'a> {
    bytes: &'a [u8],
    empty: bool,
    fresh_until: u64,
    serve_until: u64,
    token: u64,
    due: u64,
    state: u8,
    terms: u64,
}

impl<'a> Head<'a> {
    fn of(bytes: &'a [u8]) -> Option<Self> {
        let number = |at: usize| -> Option<u64> {
            let bytes: [u8; 8] = bytes.get(at..at + 8)?.try_into().ok()?;
            Some(u64::from_le_bytes(bytes))
        };
        let empty = entry::is_lease(bytes);
        if !empty && !entry::is_entry(bytes) {
            return None;
        }
        Some(Self {
            bytes,
            empty,
            fresh_until: number(9)?,
            serve_until: number(17)?,
            token: number(25)?,
            due: number(33)?,
            state: *bytes.get(41)?,
            terms: number(42)?,
        })
    }

    fn is_held(&self) -> bool {
        matches!(self.state, HELD | AWAITED)
    }

    /// The bytes with another lease.
    fn with(&self, token: u64, due: u64, state: u8, terms: u64) -> Vec<u8> {
        let mut bytes = self.bytes.to_vec();
        if let Some(lease) = bytes.get_mut(25..HEAD) {
            lease.copy_from_slice(&lease_bytes(token, due, state, terms));
        }
        bytes
    }

    /// How long what is stored is kept, if that is longer than `least`.
    fn life(&self, now: u64, least: Duration) -> Duration {
        Duration::from_millis(self.serve_until.saturating_sub(now)).max(least)
    }
}

fn lease_bytes(token: u64, due: u64, state: u8, terms: u64) -> [u8; HEAD - 25] {
    let mut bytes = [0; HEAD - 25];
    bytes[..8].copy_from_slice(&token.to_le_bytes());
    bytes[8..16].copy_from_slice(&due.to_le_bytes());
    bytes[16] = state;
    bytes[17..].copy_from_slice(&terms.to_le_bytes());
    bytes
}

/// Answers a claim.
pub(crate) fn claim(current: Option<&[u8]>, claim: &Claim, now: u64) -> (Change, Claimed) {
    let due = now.saturating_add(millis(claim.lease));
    if let Some(head) = current.and_then(Head::of) {
        let seen = head.bytes.get(..HEAD) == Some(&*claim.seen);
        let pending = head.due > now;
        if claim.aim != Aim::Replace && pending && head.token != claim.token {
            if head.state == FAILED && head.token == claim.waited {
                return (Change::Keep, Claimed::Failed);
            }
            if head.is_held() && head.terms == claim.terms {
                let change = Change::Put {
                    value: head.with(head.token, head.due, AWAITED, head.terms),
                    ttl: head.life(now, Duration::from_millis(head.due - now)),
                };
                let left = Duration::from_millis(head.due - now);
                let answer = Claimed::Held { by: head.token, left };
                return (
                    // A refresh does not wait.
                    if head.state == AWAITED || claim.aim == Aim::Refresh {
                        Change::Keep
                    } else {
                        change
                    },
                    answer,
                );
            }
        }
        if !head.empty {
            if claim.aim != Aim::Replace && !seen && head.fresh_until > now {
                return (Change::Keep, Claimed::Found(head.bytes.to_vec()));
            }
            // What is still of use is served while the load runs.
            if (!seen || claim.aim == Aim::Refresh) && head.serve_until > now {
                let change = Change::Put {
                    value: head.with(claim.token, due, HELD, claim.terms),
                    ttl: head.life(now, claim.lease),
                };
                return (change, Claimed::Granted);
            }
        }
    }
    let mut value = entry::empty_head().to_vec();
    value.extend_from_slice(&lease_bytes(claim.token, due, HELD, claim.terms));
    let change = Change::Put {
        value,
        ttl: claim.lease,
    };
    (change, Claimed::Granted)
}

/// Whether the load with this token may still store its result.
pub(crate) fn may_commit(current: Option<&[u8]>, token: u64) -> bool {
    current
        .and_then(Head::of)
        .is_some_and(|head| head.token == token && head.is_held())
        || planted(Bug::UnconditionalCommit)
}

#[cfg(test)]
/// Whether somebody waits to be told of the end of the load with this token.
pub(crate) fn is_awaited(current: Option<&[u8]>, token: u64) -> bool {
    current
        .and_then(Head::of)
        .is_some_and(|head| head.token == token && head.state == AWAITED)
}

/// Keeps a claim for another lease.
pub(crate) fn renew(current: Option<&[u8]>, token: u64, lease: Duration, now: u64) -> Change {
    match current.and_then(Head::of) {
        Some(head) if head.token == token && head.is_held() => Change::Put {
            value: head.with(token, now.saturating_add(millis(lease)), head.state, head.terms),
            ttl: head.life(now, lease),
        },
        _ => Change::Keep,
    }
}

/// How a claim ends without a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Nobody runs the load any more.
    Dropped,
    /// It failed, and should not be tried again for this long, if there is something to serve meanwhile.
    Failed { throttle: Duration },
}

/// Gives a claim back.
pub(crate) fn release(current: Option<&[u8]>, token: u64, end: End, now: u64) -> Change {
    let Some(head) = current.and_then(Head::of) else {
        return Change::Keep;
    };
    if head.token != token || !head.is_held() {
        return Change::Keep;
    }
    let told = if head.state == AWAITED {
        TOLD
    } else {
        Duration::ZERO
    };
    let quiet = match end {
        End::Dropped => Duration::ZERO,
        End::Failed { .. } if head.empty => told,
        End::Failed { throttle } => throttle.max(told),
    };
    if quiet.is_zero() {
        if head.empty {
            return Change::Delete;
        }
        return Change::Put {
            value: head.with(token, 0, 0, 0),
            ttl: head.life(now, Duration::ZERO),
        };
    }
    Change::Put {
        value: head.with(token, now.saturating_add(millis(quiet)), FAILED, head.terms),
        ttl: head.life(now, quiet),
    }
}

/// Removes bytes that are of no use, if they are still the ones that were seen.
pub(crate) fn discard(current: Option<&[u8]>, seen: &[u8]) -> Change {
    match current {
        Some(bytes) if *Seen::of(bytes) == *seen => Change::Delete,
        _ => Change::Keep,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f1_what_cannot_be_read_is_removed_only_if_it_is_still_there() {
        assert_eq!(discard(Some(b"junk"), b"junk"), Change::Delete);
        assert_eq!(discard(Some(b"other"), b"junk"), Change::Keep);
        assert_eq!(discard(None, b"junk"), Change::Keep);
        // Of what is longer than a head, the head tells.
        let long = [7; HEAD + 1];
        assert_eq!(discard(Some(&long), &long[..HEAD]), Change::Delete);
        assert_eq!(discard(Some(&[8; HEAD + 1]), &long[..HEAD]), Change::Keep);
    }
}
