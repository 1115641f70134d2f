//! What an entry of the shared tier is to one who reads it: a value, stale or fresh, or nothing. It claims no key and runs no
//! function. Invariant: nothing is taken for fresh whose generations were not held against those of the shared tier, or that
//! another server has stored.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::remove::generation;
use super::standing::{Dependencies, Standing, learn};
use super::{Core, Tier};
use crate::clock;
use crate::codec::{self, Codec, Content, Dates, Encoded};
use crate::entry::{Seen, Stamps, Stored, Unreadable};
use crate::generations::{Generation, Snapshot};
use crate::memory::Draft;
use crate::remote::{Budget, Remote};
use crate::stats::Counters;

/// What the shared tier had for a key, as memory is to hold it.
pub(crate) enum Found {
    Fresh(Draft),
    /// It may be served, but is not fresh any more.
    Stale(Draft),
    Nothing,
}

/// What was read from the shared tier.
pub(crate) struct Fetched {
    pub(crate) found: Found,
    /// The head of the bytes that were there.
    pub(crate) seen: Seen,
    /// Whether these bytes are of no use to anybody, so that they are to go.
    pub(crate) unreadable: bool,
}

impl Fetched {
    pub(crate) const NOTHING: Self = Self {
        found: Found::Nothing,
        seen: Seen::EMPTY,
        unreadable: false,
    };

    fn of(found: Result<Found, Useless>, bytes: &[u8]) -> Self {
        let (found, unreadable) = match found {
            Ok(found) => (found, false),
            Err(useless) => (Found::Nothing, matches!(useless, Useless::ToAll)),
        };
        Self {
            found,
            seen: Seen::of(bytes),
            unreadable,
        }
    }
}

/// Why bytes are no entry.
enum Useless {
    /// Not for this reader.
    Here,
    /// Not for anybody.
    ToAll,
    /// Not before the shared tier was asked for these.
    Unknown(Vec<Arc<Generation>>),
}

/// Under what terms an entry of the shared tier is of use.
pub(crate) struct Wanted<'a> {
    pub(crate) codec: Option<Codec>,
    pub(crate) version: Option<u32>,
    /// What the reader can be invalidated by; nothing for one who takes what there is.
    pub(crate) names: &'a Dependencies,
    /// How that stood when the load began that this is for.
    pub(crate) standing: Option<&'a Standing>,
    /// How some of them stand, of which the shared tier was asked for this very read.
    pub(crate) asked: &'a [Snapshot],
    pub(crate) counters: &'a Arc<Counters>,
}

impl Core {
    /// Reads an entry of the shared tier.
    pub(crate) async fn fetch(
        self: &Arc<Self>,
        remote: &Remote,
        key: &str,
        wanted: &Wanted<'_>,
        budget: &mut Budget,
    ) -> Fetched {
        // Redis still has what an invalidation that it did not take was about.
        if !self.pending.is_empty() {
            self.repeat();
            if self.pending.covers(key) {
                return Fetched::NOTHING;
            }
        }
        let full = self.full_key(key);
        let unknown = match self.standing_of_wanted(remote, wanted) {
            Some(_) => Vec::new(),
            None => self.unknown(remote, wanted.names),
        };
        let bytes = if unknown.is_empty() {
            remote.get(full, budget).await
        } else {
            let (before, asked) = self.questions(remote, &unknown);
            // On its own, as below: a hit has no room to make for what is asked once a minute.
            match Box::pin(remote.get_and_learn(&full, &asked, budget)).await {
                Ok((bytes, nonces)) => {
                    learn(&unknown, &before, &nonces);
                    Ok(bytes)
                }
                Err(unavailable) => Err(unavailable),
            }
        };
        match bytes {
            Ok(Some(bytes)) => self.decode(remote, key, bytes, wanted, budget).await,
            Ok(None) | Err(_) => Fetched::NOTHING,
        }
    }

    /// Makes a value of the bytes of the shared tier.
    pub(crate) async fn decode(
        &self,
        remote: &Remote,
        key: &str,
        bytes: Vec<u8>,
        wanted: &Wanted<'_>,
        budget: &mut Budget,
    ) -> Fetched {
        match self.read(remote, key, &bytes, wanted, wanted.asked) {
            // On its own, so that others have no room to make for it.
            Err(Useless::Unknown(generations)) => {
                Box::pin(self.decode_asking(remote, key, bytes, wanted, generations, budget)).await
            }
            found => Fetched::of(found, &bytes),
        }
    }

    /// The same, once the shared tier has said how these generations stand.
    async fn decode_asking(
        &self,
        remote: &Remote,
        key: &str,
        bytes: Vec<u8>,
        wanted: &Wanted<'_>,
        generations: Vec<Arc<Generation>>,
        budget: &mut Budget,
    ) -> Fetched {
        let standing = self.snapshots(Some(remote), &generations, budget).await;
        Fetched::of(self.read(remote, key, &bytes, wanted, &standing), &bytes)
    }

    /// The same, given how generations stand that the shared tier was asked for.
    fn read(
        &self,
        remote: &Remote,
        key: &str,
        bytes: &[u8],
        wanted: &Wanted<'_>,
        asked: &[Snapshot],
    ) -> Result<Found, Useless> {
        let counters = wanted.counters;
        let namespace = || key.split(':').next();
        let stored = match Stored::read(bytes, key, self.config.max_value_bytes) {
            Ok(stored) => stored,
            Err(Unreadable::Leased) => return Err(Useless::Here),
            Err(reason) => {
                counters.errors.fetch_add(1, Ordering::Relaxed);
                tracing::debug!(%reason, namespace = namespace(), "an entry cannot be read; it counts as a miss");
                return Err(Useless::ToAll);
            }
        };
        // Both clocks are read at once.
        let (now, local) = (remote.now(|| self.full_key(key)), clock::now());
        if stored.serve_until <= now || wanted.version.is_some_and(|version| version != stored.version) {
            return Err(Useless::Here);
        }
        // A server that was started again or has taken another's place may have lost an invalidation.
        let names = stored.generations.iter();
        let names = names.filter_map(|(name, _)| std::str::from_utf8(name).ok());
        if stored.origin != self.origin(remote, key, names) {
            return Err(Useless::Here);
        }
        let generations = self.snapshots_of(remote, &stored.generations, wanted, asked)?;
        if let Some(codec) = wanted.codec
            && stored.payload.is_some()
            && (stored.codec != codec.format
                || (stored.shape != 0 && stored.shape != self.shape_for(wanted.names, codec)))
        {
            counters.errors.fetch_add(1, Ordering::Relaxed);
            tracing::debug!(
                namespace = namespace(),
                "an entry was written from a type of another shape or by another codec; it counts as a miss"
            );
            return Err(Useless::Here);
        }
        let size = stored.payload.as_ref().map_or(0, |payload| payload.len());
        let times = stored.born..stored.fresh_until;
        let content = match (stored.payload, wanted.codec) {
            (None, _) => Content::Absent,
            (Some(bytes), None) => Content::Encoded(Arc::new(Encoded {
                bytes: bytes.into_owned(),
                decoded: std::sync::OnceLock::new(),
            })),
            (Some(payload), Some(codec)) => match (codec.decode)(&payload) {
                Ok(value) => {
                    (codec.date)(value.as_ref(), Dates::of_stored(&times, now, local));
                    Content::Value(value)
                }
                Err(reason) => {
                    counters.errors.fetch_add(1, Ordering::Relaxed);
                    tracing::debug!(
                        reason,
                        namespace = namespace(),
                        "an entry does not decode; it counts as a miss"
                    );
                    // What is of another type only may be what somebody else asks for.
                    let to_all = codec.sole || !codec::is_well_formed(&payload);
                    return Err(if to_all { Useless::ToAll } else { Useless::Here });
                }
            },
        };
        counters.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        let here = |time: u64| local.saturating_add(time).saturating_sub(now);
        let fresh_for = stored.fresh_until.saturating_sub(now);
        let draft = Draft {
            content,
            born: here(stored.born),
            fresh_until: local + self.memory_life(fresh_for, Tier::Both),
            value_until: here(stored.fresh_until),
            serve_until: local + self.memory_life(stored.serve_until - now, Tier::Both),
            retry_at: if stored.retry_at > now {
                here(stored.retry_at)
            } else {
                0
            },
            refresh_at: u64::MAX,
            generations,
            size,
            local: false,
            read: true,
            owner: Arc::clone(counters),
        };
        Ok(if fresh_for == 0 {
            Found::Stale(draft)
        } else {
            Found::Fresh(draft)
        })
    }

    /// The snapshots that an entry was stored with, if it is meant for the reader and all of them still stand.
    fn snapshots_of(
        &self,
        remote: &Remote,
        stored: &Stamps<'_>,
        wanted: &Wanted<'_>,
        asked: &[Snapshot],
    ) -> Result<Arc<[Snapshot]>, Useless> {
        let of_reader = wanted.names.iter().map(|generation| generation.name.as_bytes());
        let current = if asked.is_empty() && of_reader.eq(stored.iter().map(|(name, _)| name)) {
            self.standing_of_wanted(remote, wanted)
                .ok_or_else(|| Useless::Unknown(wanted.names.to_vec()))?
        } else {
            let stored = stored.texts().ok_or(Useless::ToAll)?;
            if !is_meant_for(
                |name| stored.iter().any(|(other, _)| *other == name),
                wanted.names,
            ) {
                return Err(Useless::Here);
            }
            self.standing_of(remote, &stored, wanted, asked)?
        };
        let mut pairs = current.iter().zip(stored.iter());
        let stand = pairs.all(|(snapshot, (_, nonce))| snapshot.nonce == Some(nonce));
        stand.then_some(current).ok_or(Useless::Here)
    }

    /// How that stands what the reader can be invalidated by, unless the shared tier has to be asked for a nonce.
    fn standing_of_wanted(&self, remote: &Remote, wanted: &Wanted<'_>) -> Option<Arc<[Snapshot]>> {
        let standing = wanted
            .standing
            .filter(|standing| self.is_still_known(remote, standing));
        match standing {
            Some(standing) => Some(Arc::clone(&standing.snapshots)),
            None => Some(self.standing_known(remote, wanted.names)?.snapshots),
        }
    }

    /// How the generations stand that an entry was stored with, whichever they are.
    fn standing_of(
        &self,
        remote: &Remote,
        stored: &[(&str, u64)],
        wanted: &Wanted<'_>,
        asked: &[Snapshot],
    ) -> Result<Arc<[Snapshot]>, Useless> {
        let is_asked = |(name, _): &(&str, u64)| {
            let mut asked = asked.iter();
            asked
                .find(|snapshot| *snapshot.generation.name == **name)
                .cloned()
        };
        if let Some(asked) = stored.iter().map(is_asked).collect() {
            return Ok(asked);
        }
        let of = |(name, _): &(&str, u64)| {
            let mut known = wanted.names.iter();
            let known = known.find(|generation| *generation.name == **name);
            known.map_or_else(|| self.generations.of(name), Arc::clone)
        };
        let generations: Vec<Arc<Generation>> = stored.iter().map(of).collect();
        self.standing_of_these(remote, &generations)
            .ok_or(Useless::Unknown(generations))
    }

    /// Removes bytes that cannot be read, unless something else has taken their place.
    pub(crate) async fn discard(&self, remote: &Remote, key: &str, fetched: &Fetched, budget: &mut Budget) {
        if fetched.unreadable {
            // It is a miss already; if it cannot be removed now, the next reader tries again.
            let _ = remote.discard(&self.full_key(key), &fetched.seen, budget).await;
        }
    }
}

/// Whether an entry can be invalidated by all that its reader can be invalidated by: by the namespace and the tags, and by
/// the function, unless there is none. An entry that was stored under the key alone goes with every function.
pub(super) fn is_meant_for(has: impl Fn(&str) -> bool, wanted: &[Arc<Generation>]) -> bool {
    let Some((function, others)) = wanted.split_first() else {
        return true;
    };
    if !others.iter().all(|generation| has(&generation.name)) {
        return false;
    }
    has(&function.name) || {
        let namespace = others.first().and_then(|name| name.name.strip_prefix("%ns:"));
        has(&generation::of_no_function(namespace.unwrap_or_default()))
    }
}
