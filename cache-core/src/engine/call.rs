//! The typed layer that annotated functions call: a hit on the spot, or a miss to be loaded.
//! Everything that does not depend on the types is in `load`. Invariant: a hit allocates nothing.

use std::any::Any;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::load::{Begun, Loaded, Run, Ticket, Verdict};
use super::shape::{Coded, Seen, Shape, Shaped, Share};
use super::site::Site;
use super::{Core, current};
use crate::codec::{Codec, Encoded, Value};
use crate::key::KeyWriter;
use crate::memory::Content;
use crate::stats::LaneId;

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
pub struct Miss<S: Shape, H> {
    /// Nothing when the call passes the cache by.
    ticket: Option<Box<Ticket>>,
    types: PhantomData<fn() -> (S, H)>,
}

impl<S: Shape, H> std::fmt::Debug for Miss<S, H> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Miss").field("key", &self.ticket.as_ref().map(|ticket| &ticket.key)).finish_non_exhaustive()
    }
}

enum Probe<T> {
    Hit(Arc<T>),
    Absent,
    /// Nothing that is fresh and of the right type, or the cache is not to be asked.
    Nothing,
}

/// The cached result of a call, or what it takes to get it.
#[inline]
pub(crate) fn lookup<S: Shape, C: Coded, H: Share<S::Ret>>(
    site: &'static Site,
    _: Shaped<S>,
    _: C,
    _: H,
    manager: Option<&Arc<Core>>,
    mode: Mode,
    render: impl FnOnce(&mut KeyWriter),
) -> Result<S::Ret, Miss<S, H>> {
    let mut writer = KeyWriter::new();
    render(&mut writer);
    if mode == Mode::Use && !writer.has_failed() {
        let key = writer.finish();
        let probe = current::with(manager, |core, lane| probe::<S::Stored>(core, lane, site, key));
        match probe {
            Probe::Hit(value) => return Ok(S::give(value)),
            Probe::Absent => {
                if let Some(ret) = S::absent() {
                    return Ok(ret);
                }
            }
            Probe::Nothing => {}
        }
    }
    Err(Miss::new(ticket(manager, site, C::codec, &mut writer, mode)))
}

#[inline]
fn probe<T: Send + Sync + 'static>(core: &Core, lane: LaneId, site: &'static Site, key: &[u8]) -> Probe<T> {
    if !core.serves(site.tier) {
        return Probe::Nothing;
    }
    let hash = core.memory.hash(key);
    let found = core.memory.fresh(hash, key, |entry| match &entry.content {
        Content::Value(value) => Arc::clone(value).downcast::<T>().map_or(Probe::Nothing, Probe::Hit),
        Content::Absent => Probe::Absent,
        Content::Encoded(_) => Probe::Nothing,
    });
    match found {
        None | Some(Probe::Nothing) => Probe::Nothing,
        Some(hit) => {
            core.stats.of(site.id(), site.path()).hit(lane);
            hit
        }
    }
}

/// What a call that is no hit goes on with; nothing when it passes the cache by.
#[cold]
#[inline(never)]
fn ticket(
    manager: Option<&Arc<Core>>,
    site: &'static Site,
    codec: fn() -> Option<Codec>,
    writer: &mut KeyWriter,
    mode: Mode,
) -> Option<Box<Ticket>> {
    let core = current::with(manager, |core, _| Arc::clone(core));
    if !core.is_on() || mode == Mode::Bypass || writer.has_failed() {
        return None;
    }
    // The writer puts nothing but text into keys.
    let key = std::str::from_utf8(writer.finish()).ok()?;
    Some(Box::new(Ticket {
        hash: core.memory.hash(key),
        key: Arc::from(key),
        counters: Arc::clone(core.stats.of(site.id(), site.path())),
        site: Some(site),
        codec: codec(),
        refresh: mode == Mode::Refresh,
        ttl: None,
        stale_if_error: None,
        core,
    }))
}

impl<S: Shape, H: Share<S::Ret>> Miss<S, H> {
    pub(crate) fn new(ticket: Option<Box<Ticket>>) -> Self {
        Self { ticket, types: PhantomData }
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
            Begun::Failed(error) => match H::import(error.as_ref()) {
                Some(ret) => return ret,
                None => ticket.alone(),
            },
        };
        let started = Instant::now();
        let ret = run.drive(load).await;
        let loaded = loaded::<S, H>(&ret, verdict);
        match finish(&ticket, run, loaded, started).await {
            Some(stale) => give::<S>(&stale, ticket.codec).unwrap_or(ret),
            None => ret,
        }
    }
}

async fn finish(ticket: &Ticket, run: Run, loaded: Loaded, started: Instant) -> Option<Content> {
    ticket.finish(run, loaded, started).await
}

fn loaded<S: Shape, H: Share<S::Ret>>(ret: &S::Ret, verdict: impl FnOnce(&S::Value) -> Verdict) -> Loaded {
    match S::see(ret) {
        Seen::Value(value) => {
            let verdict = verdict(value);
            match S::share(ret) {
                Some(shared) => Loaded::Value { value: shared, size: size_of::<S::Stored>(), verdict },
                None => Loaded::Absent,
            }
        }
        Seen::Absent => Loaded::Absent,
        Seen::Failed => Loaded::Failed(H::export(ret)),
    }
}

/// A result from what is stored, if that is of the right type.
fn give<S: Shape>(content: &Content, codec: Option<Codec>) -> Option<S::Ret> {
    let value = match content {
        Content::Absent => return S::absent(),
        Content::Value(value) => Arc::clone(value),
        Content::Encoded(encoded) => decoded(encoded, codec?, |value| value.is::<S::Stored>())?,
    };
    value.downcast::<S::Stored>().ok().map(S::give)
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
