//! Calls whose caller has chosen their mode: those of `refresh` and `uncached`. The function itself is called, so that its
//! body stands in one place; how it is to go about it is left where its look-up finds it. Invariant: one look-up alone takes
//! it, and what is polled outside of such a call never sees it.

use std::cell::Cell;
use std::pin::pin;

use super::call::Mode;
use super::site::Site;

#[derive(Clone, Copy)]
struct Forced {
    /// Whose look-up is meant; without it, the first one.
    site: Option<&'static Site>,
    mode: Mode,
}

thread_local! {
    static FORCED: Cell<Option<Forced>> = const { Cell::new(None) };
}

/// Whether a look-up on this thread may be meant.
#[inline]
pub(crate) fn any() -> bool {
    FORCED.try_with(|forced| forced.get().is_some()).unwrap_or(false)
}

/// The mode of a look-up, given the one that the attribute says.
pub(crate) fn take(site: &'static Site, mode: Mode) -> Mode {
    let forced = FORCED.try_with(|forced| {
        let meant = forced.get().filter(|forced| is_meant(forced, site))?;
        forced.set(None);
        Some(meant.mode)
    });
    match forced {
        // What may not be stored is not stored by a refresh either.
        Ok(Some(chosen)) if mode != Mode::Bypass => chosen,
        _ => mode,
    }
}

/// Whether the call of this function passes the cache by because its caller says so.
pub(crate) fn is_bypassed(site: &'static Site) -> bool {
    FORCED
        .try_with(|forced| {
            forced
                .get()
                .is_some_and(|forced| forced.mode == Mode::Bypass && is_meant(&forced, site))
        })
        .unwrap_or(false)
}

fn is_meant(forced: &Forced, site: &'static Site) -> bool {
    forced.site.is_none_or(|meant| std::ptr::eq(meant, site))
}

/// Polls a call until its look-up has taken the mode, and from then on as it is.
pub(crate) async fn call<F: Future>(site: Option<&'static Site>, mode: Mode, call: F) -> F::Output {
    let mut call = pin!(call);
    let mut left = Some(Forced { site, mode });
    std::future::poll_fn(move |context| {
        if left.is_none() {
            return call.as_mut().poll(context);
        }
        let _inside = Inside::enter(left);
        let polled = call.as_mut().poll(context);
        // What nobody has taken.
        left = FORCED.try_with(Cell::get).unwrap_or(None);
        polled
    })
    .await
}

/// One poll, after which things are as they were, also when it panics.
struct Inside(Option<Forced>);

impl Inside {
    fn enter(forced: Option<Forced>) -> Self {
        Self(FORCED.try_with(|slot| slot.replace(forced)).unwrap_or(None))
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        let _ = FORCED.try_with(|slot| slot.set(self.0));
    }
}
