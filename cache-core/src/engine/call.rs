//! The typed layer that annotated functions call: a hit on the spot, or a miss to be loaded.
//! Everything that does not depend on the types is in `load`. Invariant: a hit allocates nothing.

use std::any::{Any, TypeId};
use std::marker::PhantomData;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::load::{Begun, Loaded, Run, Ticket, Verdict};
use super::shape::{Coded, Seen, Shape, Share};
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

/// The cached result of a call, or what it takes to get it.
#[inline]
pub(crate) fn lookup<S: Shape, C: Coded, H: Share<S::Ret>>(
    site: &'static Site,
    manager: Option<&Arc<Core>>,
    mode: Mode,
    render: impl Fn(&mut KeyWriter),
) -> Result<S::Ret, Miss<S, H>> {
    // Most hits are found by the bytes of the arguments; only what is not needs its key as text.
    let mut arguments = KeyWriter::arguments();
    arguments.function(site.id());
    render(&mut arguments);
    if let Some(value) = by_arguments(site, manager, mode, &arguments)
        && let Ok(value) = value.downcast::<S::Stored>()
    {
        return Ok(S::give(value));
    }
    match by_text(site, C::codec, manager, mode, &arguments, &render) {
        (ticket, None) => Err(Miss::new(ticket)),
        (_, Some(content)) => give::<S>(content, C::codec()).ok_or(Miss::new(None)),
    }
}

/// The value of a hit, found the short way.
fn by_arguments(
    site: &'static Site,
    manager: Option<&Arc<Core>>,
    mode: Mode,
    arguments: &KeyWriter,
) -> Option<Value> {
    let arguments = arguments.short().filter(|_| mode == Mode::Use)?;
    current::with(manager, |core, lane| {
        if !core.serves(site.tier) {
            return None;
        }
        core.memory.front(arguments, |entry, counters| {
            let Content::Value(value) = &entry.content else { return None };
            counters.hit(lane);
            Some(Arc::clone(value))
        })?
    })
}

/// Looks a call up by the text of its key: a ticket to load it with, or what was found. Neither of them, when the call
/// passes the cache by.
#[cold]
fn by_text(
    site: &'static Site,
    codec: fn() -> Option<Codec>,
    manager: Option<&Arc<Core>>,
    mode: Mode,
    arguments: &KeyWriter,
    render: &dyn Fn(&mut KeyWriter),
) -> (Option<Box<Ticket>>, Option<Content>) {
    let core = current::with(manager, |core, _| Arc::clone(core));
    if !core.is_on() || mode == Mode::Bypass {
        return (None, None);
    }
    let mut writer = KeyWriter::new();
    render(&mut writer);
    if writer.has_failed() {
        return (None, None);
    }
    // The writer puts nothing but text into keys.
    let Ok(key) = std::str::from_utf8(writer.finish()) else { return (None, None) };
    let hash = core.memory.hash(key);
    let counters = core.stats.of(site.id(), site.path());
    let short = arguments.short().filter(|_| core.serves(site.tier));
    if mode == Mode::Use && core.serves(site.tier) {
        let held = core.memory.fresh(hash, key, |entry| entry.content.clone());
        if let Some(content) = held {
            if let Some(arguments) = short {
                core.memory.link(arguments, hash, key, counters);
            }
            counters.hit(LaneLease::SHARED);
            return (None, Some(content));
        }
    }
    let ticket = Ticket {
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
    };
    (Some(Box::new(ticket)), None)
}

/// A call that has to run its function, or to wait for one that does.
pub struct Miss<S: Shape, H> {
    call: Call,
    types: PhantomData<fn() -> (S, H)>,
}

impl<S: Shape, H> std::fmt::Debug for Miss<S, H> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Miss").field("key", &self.call.ticket.as_ref().map(|ticket| &ticket.key)).finish_non_exhaustive()
    }
}

impl<S: Shape, H: Share<S::Ret>> Miss<S, H> {
    pub(crate) fn new(ticket: Option<Box<Ticket>>) -> Self {
        Self { call: Call { ticket, run: None, started: None }, types: PhantomData }
    }

    /// The TTL that an expression of the attribute gave.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        if let Some(ticket) = &mut self.call.ticket {
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
        let mut call = self.call;
        let given = match call.begin().await {
            Some(Given::Content(content)) => give::<S>(content, call.codec()),
            Some(Given::Failed(error)) => H::import(error.as_ref()),
            None => None,
        };
        if let Some(ret) = given {
            return ret;
        }
        let mut load = pin!(load);
        // The function is polled through a pointer, so that all around it is compiled once and not for each function.
        let ret = std::future::poll_fn(|context| {
            let mut output = None;
            let mut poll = |context: &mut Context<'_>| load.as_mut().poll(context).map(|ret| output = Some(ret));
            match (call.poll(context, &mut poll), output) {
                (Poll::Ready(()), Some(ret)) => Poll::Ready(ret),
                _ => Poll::Pending,
            }
        })
        .await;
        if call.is_cached() {
            let loaded = loaded::<S, H>(&ret, verdict);
            if let Some(stale) = call.finish(loaded).await
                && let Some(stale) = give::<S>(stale, call.codec())
            {
                return stale;
            }
        }
        ret
    }
}

/// The part of a miss that does not depend on its types.
struct Call {
    /// Nothing when the call passes the cache by.
    ticket: Option<Box<Ticket>>,
    run: Option<Run>,
    started: Option<Instant>,
}

enum Given {
    Content(Content),
    Failed(Arc<dyn Any + Send + Sync>),
}

impl Call {
    /// What another call has, if this one need not run its function.
    async fn begin(&mut self) -> Option<Given> {
        let ticket = self.ticket.as_deref()?;
        match ticket.begin().await {
            Begun::Run(run) => {
                self.run = Some(run);
                None
            }
            Begun::Content(content) => Some(Given::Content(content)),
            Begun::Failed(error) => Some(Given::Failed(error)),
        }
    }

    fn is_cached(&self) -> bool {
        self.ticket.is_some()
    }

    fn codec(&self) -> Option<Codec> {
        self.ticket.as_ref()?.codec
    }

    fn poll(
        &mut self,
        context: &mut Context<'_>,
        poll: &mut dyn FnMut(&mut Context<'_>) -> Poll<()>,
    ) -> Poll<()> {
        let Some(ticket) = &self.ticket else { return poll(context) };
        self.started.get_or_insert_with(Instant::now);
        // What another call had was of no use to this one: it runs for itself.
        self.run.get_or_insert_with(|| ticket.alone()).poll(context, poll)
    }

    /// Stores what the function gave. Gives a stale value to serve instead of an error.
    async fn finish(&mut self, loaded: Loaded) -> Option<Content> {
        let (ticket, run) = (self.ticket.as_deref()?, self.run.take()?);
        ticket.finish(run, loaded, self.started.unwrap_or_else(Instant::now)).await
    }
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
fn give<S: Shape>(content: Content, codec: Option<Codec>) -> Option<S::Ret> {
    match value_of(content, codec, TypeId::of::<S::Stored>())? {
        Some(value) => value.downcast::<S::Stored>().ok().map(S::give),
        None => S::absent(),
    }
}

/// The value that is stored, or the `None` that is. Nothing for what is of no use.
#[expect(clippy::option_option, reason = "a stored `None` is not the same as nothing")]
fn value_of(content: Content, codec: Option<Codec>, wanted: TypeId) -> Option<Option<Value>> {
    match content {
        Content::Absent => Some(None),
        Content::Value(value) => Some(Some(value)),
        Content::Encoded(encoded) => decoded(&encoded, codec?, |value| value.type_id() == wanted).map(Some),
    }
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
