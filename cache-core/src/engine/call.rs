//! The typed layer that annotated functions call: a hit on the spot, or a miss to be loaded.
//! Everything that does not depend on the types is in `load`. Invariant: a hit allocates nothing.

use std::any::Any;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::load::{Begun, Loaded, Run, Ticket, Verdict};
use super::shape::{Seen, Shape, Shaped, Share};
use super::site::Site;
use super::{Core, current};
use crate::codec::{Codec, Encoded, Value};
use crate::key::KeyWriter;
use crate::memory::Content;

/// Whether a call reads and writes the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Both.
    Use,
    /// Neither.
    Bypass,
    /// It loads and stores.
    Refresh,
}

impl Mode {
    /// From the conditions of an attribute.
    #[inline]
    pub const fn of(bypass: bool, refresh: bool) -> Self {
        match (bypass, refresh) {
            (true, _) => Self::Bypass,
            (false, true) => Self::Refresh,
            (false, false) => Self::Use,
        }
    }
}

/// A call that has to run its function, or to wait for one that does.
pub struct Miss<S: Shape> {
    /// Nothing when the call passes the cache by.
    ticket: Option<Ticket>,
    share: Share<S::Ret>,
}

impl<S: Shape> std::fmt::Debug for Miss<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Miss").field("key", &self.ticket.as_ref().map(|ticket| &ticket.key)).finish_non_exhaustive()
    }
}

enum Probe<T> {
    Hit(T),
    Absent,
    Slow(Option<Ticket>),
}

/// The cached result of a call, or what it takes to get it.
#[inline]
pub(crate) fn lookup<S: Shape>(
    site: &'static Site,
    _: Shaped<S>,
    codec: Option<Codec>,
    share: Share<S::Ret>,
    manager: Option<&Arc<Core>>,
    mode: Mode,
    render: impl FnOnce(&mut KeyWriter),
) -> Result<S::Ret, Miss<S>> {
    let mut writer = KeyWriter::new();
    render(&mut writer);
    let failed = writer.has_failed();
    let key = writer.finish();
    let probe = current::with(manager, |core, lane| {
        if !core.is_on() || mode == Mode::Bypass || failed {
            return Probe::Slow(None);
        }
        let hash = core.memory.hash(key);
        if mode == Mode::Use && core.in_memory(site.tier) {
            let hit = core.memory.fresh(hash, key, |entry| match &entry.content {
                Content::Value(value) if value.is::<S::Stored>() => Probe::Hit(Arc::clone(value)),
                Content::Absent => Probe::Absent,
                _ => Probe::Slow(None),
            });
            match hit {
                Some(Probe::Hit(value)) => {
                    if let Ok(value) = value.downcast::<S::Stored>() {
                        core.stats.of(site.id(), site.path()).hit(lane);
                        return Probe::Hit(value);
                    }
                }
                Some(Probe::Absent) => {
                    core.stats.of(site.id(), site.path()).hit(lane);
                    return Probe::Absent;
                }
                _ => {}
            }
        }
        Probe::Slow(Some(ticket(core, site, codec, key, hash, mode)))
    });
    let ticket = match probe {
        Probe::Hit(value) => return Ok(S::give(&value)),
        Probe::Absent => match S::absent() {
            Some(ret) => return Ok(ret),
            None => None,
        },
        Probe::Slow(ticket) => ticket,
    };
    Err(Miss { ticket, share })
}

#[cold]
#[inline(never)]
fn ticket(
    core: &Arc<Core>,
    site: &'static Site,
    codec: Option<Codec>,
    key: &str,
    hash: u64,
    mode: Mode,
) -> Ticket {
    Ticket {
        core: Arc::clone(core),
        key: Arc::from(key),
        hash,
        counters: Arc::clone(core.stats.of(site.id(), site.path())),
        site: Some(site),
        codec,
        refresh: mode == Mode::Refresh,
        ttl: None,
        stale_if_error: None,
    }
}

impl<S: Shape> Miss<S> {
    /// A call that the manager makes for a raw key.
    pub(crate) fn direct(ticket: Option<Ticket>, share: Share<S::Ret>) -> Self {
        Self { ticket, share }
    }

    /// The TTL that an expression of the attribute gave.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        if let Some(ticket) = &mut self.ticket {
            ticket.ttl = Some(ttl);
        }
        self
    }

    /// The result: of this call's run, or of one that it shares.
    pub async fn load<F, V>(self, load: F, verdict: V) -> S::Ret
    where
        F: Future<Output = S::Ret>,
        V: FnOnce(&S::Value) -> Verdict,
    {
        let Some(ticket) = self.ticket else { return load.await };
        let mut run = match ticket.begin().await {
            Begun::Run(run) => run,
            Begun::Content(content) => match give::<S>(&content, ticket.codec) {
                Some(ret) => return ret,
                None => ticket.alone(),
            },
            Begun::Failed(error) => match (self.share.import)(error.as_ref()) {
                Some(ret) => return ret,
                None => ticket.alone(),
            },
        };
        let started = Instant::now();
        let ret = run.drive(load).await;
        let loaded = loaded::<S>(&ret, verdict, self.share);
        match finish(&ticket, run, loaded, started).await {
            Some(stale) => give::<S>(&stale, ticket.codec).unwrap_or(ret),
            None => ret,
        }
    }
}

async fn finish(ticket: &Ticket, run: Run, loaded: Loaded, started: Instant) -> Option<Content> {
    ticket.finish(run, loaded, started).await
}

fn loaded<S: Shape>(
    ret: &S::Ret,
    verdict: impl FnOnce(&S::Value) -> Verdict,
    share: Share<S::Ret>,
) -> Loaded {
    match S::see(ret) {
        Seen::Value(value) => {
            let verdict = verdict(value);
            match S::share(ret) {
                Some(shared) => Loaded::Value { value: shared, size: size_of::<S::Stored>(), verdict },
                None => Loaded::Absent,
            }
        }
        Seen::Absent => Loaded::Absent,
        Seen::Failed => Loaded::Failed((share.export)(ret)),
    }
}

/// A result from what is stored, if that is of the right type.
fn give<S: Shape>(content: &Content, codec: Option<Codec>) -> Option<S::Ret> {
    let value = match content {
        Content::Absent => return S::absent(),
        Content::Value(value) => Arc::clone(value),
        Content::Encoded(encoded) => decoded(encoded, codec?, |value| value.is::<S::Stored>())?,
    };
    value.downcast::<S::Stored>().ok().map(|value| S::give(&value))
}

/// The decoded form of an encoded value. The first type that is asked for is remembered.
pub(crate) fn decoded(
    encoded: &Encoded,
    codec: Codec,
    is_wanted: impl Fn(&(dyn Any + Send + Sync)) -> bool,
) -> Option<Value> {
    if let Some(value) = encoded.decoded.get()
        && is_wanted(value.as_ref())
    {
        return Some(Arc::clone(value));
    }
    let value = (codec.decode)(&encoded.bytes).ok()?;
    let _ = encoded.decoded.set(Arc::clone(&value));
    Some(value)
}
