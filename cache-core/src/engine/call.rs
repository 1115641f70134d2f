//! The typed layer that annotated functions call: a hit on the spot, or a miss to be loaded.
//! What becomes of a miss is in `miss`, and all that does not depend on the types in `load`. Invariant: a hit allocates nothing.

use std::any::{Any, TypeId};
use std::sync::Arc;

use super::load::{Loaded, Ticket, Verdict};
use super::miss::Miss;
use super::shape::{Coded, Seen, Shape, Share};
use super::site::Site;
use super::{Core, current, forced, watch};
use crate::CacheManager;
use crate::clock;
use crate::codec::{Codec, Content, Encoded, Value};
use crate::config::duration::millis;
use crate::key::KeyWriter;
use crate::stats::{Counters, LaneLease};

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

// Not `dyn Fn`, whose table has two more functions to be compiled for each closure.
/// Writes the key of a call, as text or as the bytes of its arguments.
pub trait Render {
    /// Writes it.
    fn render(&self, out: &mut KeyWriter);
}

impl<F: Fn(&mut KeyWriter)> Render for F {
    #[inline]
    fn render(&self, out: &mut KeyWriter) {
        self(out);
    }
}

/// The cached result of a call, or what it takes to get it.
#[inline]
pub(crate) fn lookup<S: Shape, C: Coded, H: Share<S::Ret>>(
    site: &'static Site,
    manager: Option<&CacheManager>,
    mode: Mode,
    render: &dyn Render,
) -> Result<S::Ret, Miss<S::Ret>> {
    let mut arguments = KeyWriter::arguments();
    arguments.function(site);
    render.render(&mut arguments);
    let arguments = &arguments;
    // Most hits are found by the bytes of the arguments; only what is not needs its key as text.
    if let Some(value) = by_arguments(site, manager.map(|manager| &manager.core), mode, arguments)
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
    render: &dyn Render,
) -> Result<S::Ret, Miss<S::Ret>> {
    let given = manager.map(|manager| &manager.core);
    let (ticket, content) = by_text(site, C::codec, given, mode, arguments, render);
    let Some(content) = content else {
        return Err(Miss::of::<S, H>(ticket));
    };
    let ret = give::<S>(content, C::codec()).ok_or_else(|| Miss::of::<S, H>(None))?;
    match ticket {
        // It is there, and to be refreshed before it is gone.
        Some(ticket) => Err(Miss::of::<S, H>(Some(ticket)).served(ret)),
        None => Ok(ret),
    }
}

/// The value of a hit, found the short way.
pub(crate) fn by_arguments(
    site: &'static Site,
    given: Option<&Arc<Core>>,
    mode: Mode,
    arguments: &KeyWriter,
) -> Option<Value> {
    let arguments = arguments
        .short()
        .filter(|_| mode == Mode::Use && !forced::any())?;
    // A thread that does not know the current manager yet looks for the text of the key, and knows it from then on.
    let found = current::known(given, |core, lane| {
        if !core.serves(site.tier) {
            return None;
        }
        let changes = core.generations.changes();
        core.memory.front(arguments, changes, |entry, counters| {
            let Content::Value(value) = &entry.content else {
                return None;
            };
            counters.hit(lane);
            Some(Arc::clone(value))
        })?
    })??;
    watch::hit(Some(site), "memory");
    Some(found)
}

/// Looks a call up by the text of its key: a ticket to load it with, or what was found. Neither of them, when the call
/// passes the cache by.
#[cold]
pub(crate) fn by_text(
    site: &'static Site,
    codec: fn() -> Option<Codec>,
    given: Option<&Arc<Core>>,
    mode: Mode,
    arguments: &KeyWriter,
    render: &dyn Render,
) -> (Option<Box<Ticket>>, Option<Content>) {
    let mode = forced::take(site, mode);
    let core = current::with(given, |core, _| Arc::clone(core));
    if !core.is_on() || mode == Mode::Bypass {
        return (None, None);
    }
    let mut writer = KeyWriter::new();
    render.render(&mut writer);
    if writer.has_failed() {
        return (None, None);
    }
    // The writer puts nothing but text into keys.
    let Ok(key) = std::str::from_utf8(writer.finish()) else {
        return (None, None);
    };
    let hash = core.memory.hash(key);
    let counters = core.stats.of(site.id(), site.path);
    let short = arguments.short().filter(|_| core.serves(site.tier));
    let ticket = |core: Arc<Core>, counters: Arc<Counters>, background: bool| {
        Box::new(Ticket {
            arguments: short.map(Box::from),
            site: Some(site),
            codec: codec(),
            refresh: mode == Mode::Refresh,
            stale_if_error: site.stale_if_error,
            background,
            ..Ticket::new(core, Arc::from(key), hash, counters)
        })
    };
    if mode == Mode::Use && core.serves(site.tier) {
        let next = clock::now() + millis(core.config.stale_throttle);
        let held = core.memory.fresh(hash, key, |entry| {
            // What somebody stored under the key alone may lack what this function is invalidated by.
            let known = Arc::ptr_eq(&entry.owner, counters);
            (
                known,
                site.refresh_ahead > 0 && entry.is_due(next),
                entry.content.clone(),
            )
        });
        if let Some((true, due, content)) = held {
            if let Some(arguments) = short {
                core.memory.link(arguments, hash, key, counters);
            }
            counters.hit(LaneLease::SHARED);
            watch::hit(Some(site), "memory");
            if due {
                watch::refresh(Some(site));
            }
            let counters = Arc::clone(counters);
            return (due.then(|| ticket(core, counters, true)), Some(content));
        }
    }
    let counters = Arc::clone(counters);
    (Some(ticket(core, counters, false)), None)
}

/// What the caller's run of the function gave, with what its closures say about the value.
pub(crate) fn loaded<S: Shape, H: Share<S::Ret>>(
    ret: &S::Ret,
    verdict: &dyn Fn(&S::Value) -> Verdict,
) -> Loaded {
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
pub(crate) fn give<S: Shape>(content: Content, codec: Option<Codec>) -> Option<S::Ret> {
    match value_of(content, codec, TypeId::of::<S::Stored>())? {
        Some(value) => value.downcast::<S::Stored>().ok().map(S::give),
        None => S::absent(),
    }
}

/// The value that is stored, or the `None` that is. Nothing for what is of no use.
#[expect(clippy::option_option, reason = "a stored `None` is not the same as nothing")]
pub(crate) fn value_of(content: Content, codec: Option<Codec>, wanted: TypeId) -> Option<Option<Value>> {
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
