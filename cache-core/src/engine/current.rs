//! Which manager a call uses when it names none: that of the surrounding scope, else the installed one, else one made
//! from the environment at first use. Invariant: finding it takes no lock and touches no shared cache line that is
//! written to.

use std::cell::RefCell;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::Core;
use crate::config::{Config, Settings};
use crate::stats::{LaneId, LaneLease};
use crate::{CacheError, config};

/// The installed manager, and how often it was replaced; a thread that has seen this number need not look.
static INSTALLED: Mutex<Option<Arc<Core>>> = Mutex::new(None);
static INSTALLATIONS: AtomicU64 = AtomicU64::new(1);

struct Local {
    scope: Option<Arc<Core>>,
    installed: Option<Arc<Core>>,
    seen: u64,
    lane: LaneLease,
}

thread_local! {
    static LOCAL: RefCell<Local> =
        RefCell::new(Local { scope: None, installed: None, seen: 0, lane: LaneLease::take() });
}

/// Runs `see` with the given manager or the current one, where this thread knows which that is.
#[inline]
pub(crate) fn known<R>(given: Option<&Arc<Core>>, see: impl FnOnce(&Arc<Core>, LaneId) -> R) -> Option<R> {
    let found = LOCAL.try_with(|local| {
        let local = local.try_borrow().ok()?;
        let current = match (given, &local.scope, &local.installed) {
            (Some(core), _, _) | (None, Some(core), _) => core,
            (None, None, Some(core)) if local.seen == INSTALLATIONS.load(Ordering::Acquire) => core,
            _ => return None,
        };
        Some(see(current, local.lane.0))
    });
    found.ok().flatten()
}

/// Runs `see` with the given manager or the current one.
pub(crate) fn with<R>(given: Option<&Arc<Core>>, see: impl Fn(&Arc<Core>, LaneId) -> R) -> R {
    known(given, &see).unwrap_or_else(|| without_local(given, see))
}

/// The same for a thread that does not know the installed manager yet, or is ending.
#[cold]
#[inline(never)]
fn without_local<R>(given: Option<&Arc<Core>>, see: impl Fn(&Arc<Core>, LaneId) -> R) -> R {
    see(&given.map_or_else(installed, Arc::clone), LaneLease::SHARED)
}

/// The manager of this call, to keep.
pub(crate) fn get() -> Arc<Core> {
    with(None, |core, _| Arc::clone(core))
}

/// Has work go on by itself, under the manager of the surrounding scope. Without a runtime it is given up.
pub(crate) fn spawn(work: impl Future<Output = impl Send + 'static> + Send + 'static) {
    let Ok(runtime) = tokio::runtime::Handle::try_current() else {
        return;
    };
    let around = LOCAL.try_with(|local| local.try_borrow().ok()?.scope.clone());
    match around {
        Ok(Some(core)) => drop(runtime.spawn(scope(core, work))),
        _ => drop(runtime.spawn(work)),
    }
}

/// The installed manager, made from the environment when there is none; this thread remembers it.
#[cold]
fn installed() -> Arc<Core> {
    let mut slot = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    let core = Arc::clone(slot.get_or_insert_with(|| Arc::new(from_environment())));
    let seen = INSTALLATIONS.load(Ordering::Acquire);
    drop(slot);
    let _ = LOCAL.try_with(|local| {
        if let Ok(mut local) = local.try_borrow_mut() {
            local.installed = Some(Arc::clone(&core));
            local.seen = seen;
        }
    });
    core
}

pub(crate) fn install(core: Arc<Core>) {
    let mut slot = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    let old = slot.replace(core);
    INSTALLATIONS.fetch_add(1, Ordering::AcqRel);
    drop(slot);
    drop(old);
}

/// Makes a manager as the environment says; as the defaults say when it cannot be read, which is logged.
fn from_environment() -> Core {
    let environment = config::process();
    config::warn_about_misspelt(&environment);
    let made = config::read(&environment)
        .and_then(|settings| Config::resolve(Settings::default(), settings))
        .and_then(|config| Core::new(config, None));
    match made {
        Ok(core) => core,
        Err(error) => {
            tracing::error!(%error, "the environment of the cache cannot be used; functions are cached in memory with defaults");
            in_memory(Settings::default())
        }
    }
}

/// A manager of memory alone.
pub(crate) fn in_memory(environment: Settings) -> Core {
    let said = Settings {
        backend: Some(config::BackendMode::Memory),
        ..Settings::default()
    };
    let plain = Settings {
        redis_url: None,
        redis_host: None,
        redis_mode: None,
        redis_sentinel_master: None,
        ..environment
    };
    Config::resolve(said.clone(), plain)
        .or_else(|error: CacheError| {
            tracing::error!(%error, "the environment of the cache cannot be used; the defaults are");
            Config::resolve(said, Settings::default())
        })
        .and_then(|config| Core::new(config, None))
        .unwrap_or_else(|_| Core::defaults())
}

/// Makes `core` the current manager whenever `future` is polled.
pub(crate) async fn scope<F: Future>(core: Arc<Core>, future: F) -> F::Output {
    let mut future = pin!(future);
    std::future::poll_fn(move |context| within(&core, || future.as_mut().poll(context))).await
}

/// Makes `core` the current manager for as long as `poll` takes.
pub(crate) fn within<R>(core: &Arc<Core>, poll: impl FnOnce() -> R) -> R {
    let _inside = Inside::enter(core);
    poll()
}

/// A scope, for as long as one poll takes.
struct Inside(Option<Arc<Core>>);

impl Inside {
    fn enter(core: &Arc<Core>) -> Self {
        Self(swap(Some(Arc::clone(core))))
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        swap(self.0.take());
    }
}

fn swap(scope: Option<Arc<Core>>) -> Option<Arc<Core>> {
    LOCAL
        .try_with(|local| match local.try_borrow_mut() {
            Ok(mut local) => std::mem::replace(&mut local.scope, scope),
            Err(_) => None,
        })
        .unwrap_or(None)
}
