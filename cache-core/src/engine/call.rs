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
use crate::stats::LaneLease;

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

/// The cached result of a call, or what it takes to get it.
#[inline]
pub(crate) fn lookup<S: Shape, C: Coded, H: Share<S::Ret>>(
    site: &'static Site,
    _: Shaped<S>,
    _: C,
    _: H,
    manager: Option<&Arc<Core>>,
    mode: Mode,
    render: impl Fn(&mut KeyWriter),
) -> Result<S::Ret, Miss<S, H>> {
    // Most hits are found by the bytes of the arguments; only what is not needs its key as text.
    let mut arguments = KeyWriter::arguments();
    arguments.function(site.id());
    render(&mut arguments);
    let short = arguments.short();
    if mode == Mode::Use {
        let found = current::with(manager, |core, lane| match short {
            Some(bytes) if core.serves(site.tier) => core.memory.front(bytes, |entry, counters| {
                let Content::Value(value) = &entry.content else { return None };
                let value = Arc::clone(value).downcast::<S::Stored>().ok()?;
                counters.hit(lane);
                Some(value)
            })?,
            _ => None,
        });
        if let Some(value) = found {
            return Ok(S::give(value));
        }
    }
    match by_text(site, C::codec, manager, mode, short, &render) {
        Slow::Hit(content) => match give::<S>(&content, C::codec()) {
            Some(ret) => Ok(ret),
            None => Err(Miss::new(None)),
        },
        Slow::Miss(ticket) => Err(Miss::new(ticket)),
    }
}

enum Slow {
    Hit(Content),
    /// Nothing when the call passes the cache by.
    Miss(Option<Box<Ticket>>),
}

/// Looks a call up by the text of its key.
#[cold]
#[inline(never)]
fn by_text(
    site: &'static Site,
    codec: fn() -> Option<Codec>,
    manager: Option<&Arc<Core>>,
    mode: Mode,
    short: Option<&[u8]>,
    render: &dyn Fn(&mut KeyWriter),
) -> Slow {
    let core = current::with(manager, |core, _| Arc::clone(core));
    if !core.is_on() || mode == Mode::Bypass {
        return Slow::Miss(None);
    }
    let mut writer = KeyWriter::new();
    render(&mut writer);
    if writer.has_failed() {
        return Slow::Miss(None);
    }
    // The writer puts nothing but text into keys.
    let Ok(key) = std::str::from_utf8(writer.finish()) else { return Slow::Miss(None) };
    let hash = core.memory.hash(key);
    let counters = core.stats.of(site.id(), site.path());
    if mode == Mode::Use && core.serves(site.tier) {
        let held = core.memory.fresh(hash, key, |entry| entry.content.clone());
        if let Some(content) = held {
            if let Some(arguments) = short {
                core.memory.link(arguments, hash, key, counters);
            }
            counters.hit(LaneLease::SHARED);
            return Slow::Hit(content);
        }
    }
    Slow::Miss(Some(Box::new(Ticket {
        hash,
        key: Arc::from(key),
        arguments: short.map(Box::from),
        counters: Arc::clone(counters),
        site: Some(site),
        codec: codec(),
        refresh: mode == Mode::Refresh,
        ttl: None,
        stale_if_error: None,
        core,
    })))
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
