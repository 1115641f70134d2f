//! The typed layer that annotated functions call: a hit on the spot, or a miss to be loaded.
//! Everything that does not depend on the types is in `load`. Invariant: a hit allocates nothing.

use std::any::{Any, TypeId};
use std::marker::PhantomData;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::current;
use super::load::{Begun, Loaded, Run, Ticket, Verdict};
use super::shape::{Coded, Seen, Shape, Share};
use super::site::Site;
use crate::CacheManager;
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
    manager: Option<&CacheManager>,
    mode: Mode,
    arguments: &KeyWriter,
    render: &dyn Fn(&mut KeyWriter),
) -> Result<S::Ret, Miss<S, H>> {
    // Most hits are found by the bytes of the arguments; only what is not needs its key as text.
    if let Some(value) = by_arguments(site, manager, mode, arguments)
        && let Ok(value) = value.downcast::<S::Stored>()
    {
        return Ok(S::give(value));
    }
    further::<S, C, H>(site, manager, mode, arguments, render)
}

#[cold]
#[inline(never)]
fn further<S: Shape, C: Coded, H: Share<S::Ret>>(
    site: &'static Site,
    manager: Option<&CacheManager>,
    mode: Mode,
    arguments: &KeyWriter,
    render: &dyn Fn(&mut KeyWriter),
) -> Result<S::Ret, Miss<S, H>> {
    match by_text(site, C::codec, manager, mode, arguments, render) {
        (ticket, None) => Err(Miss::new(ticket)),
        (_, Some(content)) => give::<S>(content, C::codec()).ok_or(Miss::new(None)),
    }
}

/// The value of a hit, found the short way.
fn by_arguments(
    site: &'static Site,
    manager: Option<&CacheManager>,
    mode: Mode,
    arguments: &KeyWriter,
) -> Option<Value> {
    let arguments = arguments.short().filter(|_| mode == Mode::Use)?;
    current::with(manager.map(|manager| &manager.core), |core, lane| {
        if !core.serves(site.tier) {
            return None;
        }
        core.memory.front(arguments, |entry, counters| {
            let Content::Value(value) = &entry.content else {
                return None;
            };
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
    manager: Option<&CacheManager>,
    mode: Mode,
    arguments: &KeyWriter,
    render: &dyn Fn(&mut KeyWriter),
) -> (Option<Box<Ticket>>, Option<Content>) {
    let core = current::with(manager.map(|manager| &manager.core), |core, _| Arc::clone(core));
    if !core.is_on() || mode == Mode::Bypass {
        return (None, None);
    }
    let mut writer = KeyWriter::new();
    render(&mut writer);
    if writer.has_failed() {
        return (None, None);
    }
    // The writer puts nothing but text into keys.
    let Ok(key) = std::str::from_utf8(writer.finish()) else {
        return (None, None);
    };
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
    /// What this call's own run gave, while it is being stored.
    ret: Option<S::Ret>,
    types: PhantomData<fn() -> H>,
}

impl<S: Shape, H> std::fmt::Debug for Miss<S, H> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Miss")
    }
}

impl<S: Shape, H: Share<S::Ret>> Miss<S, H> {
    pub(crate) fn new(ticket: Option<Box<Ticket>>) -> Self {
        Self {
            call: ticket.map_or(Call::Bypass, Call::Start),
            ret: None,
            types: PhantomData,
        }
    }

    /// The TTL that an expression of the attribute gave.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        if let Call::Start(ticket) = &mut self.call {
            ticket.ttl = Some(ttl);
        }
        self
    }

    /// The result: of this call's run, or of one that it shares.
    pub async fn load<F, V>(mut self, load: F, verdict: V) -> S::Ret
    where
        F: Future<Output = S::Ret>,
        V: Fn(&S::Value) -> Verdict,
    {
        let mut load = pin!(load);
        std::future::poll_fn(move |context| {
            self.poll(context, &mut |context| load.as_mut().poll(context), &verdict)
        })
        .await
    }

    /// One step. The function is polled through a pointer, so that this is compiled once for a type and not for each
    /// function.
    fn poll(
        &mut self,
        context: &mut Context<'_>,
        load: &mut dyn FnMut(&mut Context<'_>) -> Poll<S::Ret>,
        verdict: &dyn Fn(&S::Value) -> Verdict,
    ) -> Poll<S::Ret> {
        loop {
            match &mut self.call {
                Call::Bypass => return load(context),
                Call::Start(_) => {
                    if let Call::Start(ticket) = std::mem::replace(&mut self.call, Call::Bypass) {
                        self.call = Call::Begin(Box::pin(begin(ticket)));
                    }
                }
                Call::Begin(begin) => {
                    let Poll::Ready((ticket, next)) = begin.as_mut().poll(context) else {
                        return Poll::Pending;
                    };
                    let run = match next {
                        Begun::Run(run) => run,
                        Begun::Content(held) => match give::<S>(held, ticket.codec) {
                            Some(ret) => return Poll::Ready(ret),
                            // What another function stored under this key is of no use here.
                            None => ticket.alone(),
                        },
                        Begun::Failed(shared) => match H::import(shared.as_ref()) {
                            Some(ret) => return Poll::Ready(ret),
                            None => ticket.alone(),
                        },
                    };
                    self.call = Call::Run {
                        ticket,
                        run,
                        started: Instant::now(),
                    };
                }
                Call::Run { run, .. } => {
                    let mut output = None;
                    let polled = run.poll(context, &mut |context| match load(context) {
                        Poll::Ready(ret) => {
                            output = Some(ret);
                            Poll::Ready(())
                        }
                        Poll::Pending => Poll::Pending,
                    });
                    let (Poll::Ready(()), Some(ret)) = (polled, output) else {
                        return Poll::Pending;
                    };
                    run.judged = true;
                    let loaded = loaded::<S, H>(&ret, verdict);
                    run.judged = false;
                    self.ret = Some(ret);
                    if let Call::Run { ticket, run, started } =
                        std::mem::replace(&mut self.call, Call::Bypass)
                    {
                        self.call = Call::Finish(Box::pin(ticket.finish(run, loaded, started)));
                    }
                }
                Call::Finish(finish) => {
                    let Poll::Ready(stale) = finish.as_mut().poll(context) else {
                        return Poll::Pending;
                    };
                    let stale = stale.and_then(|(content, codec)| give::<S>(content, codec));
                    match stale.or(self.ret.take()) {
                        Some(ret) => return Poll::Ready(ret),
                        None => self.call = Call::Bypass,
                    }
                }
            }
        }
    }
}

/// Work that is compiled once and waited for by all types.
type Waiting<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Where a miss is.
enum Call {
    /// It passes the cache by.
    Bypass,
    /// It has not begun.
    Start(Box<Ticket>),
    /// It finds out whether it has to run its function.
    Begin(Waiting<(Box<Ticket>, Begun)>),
    /// It runs its function.
    Run {
        ticket: Box<Ticket>,
        run: Run,
        started: Instant,
    },
    /// It stores what the function gave.
    Finish(Waiting<Option<(Content, Option<Codec>)>>),
}

async fn begin(ticket: Box<Ticket>) -> (Box<Ticket>, Begun) {
    let begun = ticket.begin().await;
    (ticket, begun)
}

fn loaded<S: Shape, H: Share<S::Ret>>(ret: &S::Ret, verdict: &dyn Fn(&S::Value) -> Verdict) -> Loaded {
    match S::see(ret) {
        Seen::Value(value) => {
            let verdict = verdict(value);
            match S::share(ret) {
                Some(shared) => Loaded::Value {
                    value: shared,
                    size: size_of::<S::Stored>(),
                    verdict,
                },
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
