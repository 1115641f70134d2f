//! What `tracing` is told of calls. Invariants: nobody is told under a lock, and nothing that is told was made of a key or a
//! value: a function is named by its path, a key by its template.

use std::time::Duration;

use tokio::time::Instant;
use tracing::level_filters::{LevelFilter, STATIC_MAX_LEVEL};
use tracing::{Level, Span};

use super::Tier;
use super::site::Site;

/// What stands for the function where a manager was called directly.
const DIRECT: &str = "(manager)";

/// Whether anybody listens so closely. Where nobody does, this is all that `tracing` costs a hit.
#[inline]
fn is_heard(level: Level) -> bool {
    level <= STATIC_MAX_LEVEL && level <= LevelFilter::current()
}

fn path(site: Option<&Site>) -> &'static str {
    site.map_or(DIRECT, |site| site.path)
}

fn template(site: Option<&Site>) -> Option<String> {
    site.map(|site| site.template())
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// A value was found.
#[inline]
pub(crate) fn hit(site: Option<&'static Site>, tier: &'static str) {
    if is_heard(Level::TRACE) {
        tell_hit(site, tier);
    }
}

#[cold]
#[inline(never)]
fn tell_hit(site: Option<&'static Site>, tier: &'static str) {
    tracing::trace!(
        function = path(site),
        template = template(site),
        tier,
        outcome = "hit",
        "a value was found"
    );
}

/// What a run of the function is inside of.
pub(crate) fn run(site: Option<&'static Site>, background: bool) -> Span {
    tracing::debug_span!(
        "cache_load",
        function = path(site),
        template = template(site),
        background
    )
}

/// What came of a run of the function. `tier` is where its values go.
pub(crate) fn loaded(
    site: Option<&'static Site>,
    tier: Tier,
    outcome: &'static str,
    took: Duration,
    background: bool,
) {
    let tier = match tier {
        Tier::Both => "both",
        Tier::Memory => "memory",
        Tier::Redis => "redis",
    };
    tracing::debug!(
        function = path(site),
        template = template(site),
        tier,
        outcome,
        time_ms = milliseconds(took),
        background,
        "the function has run"
    );
}

/// When a call begins to wait for another one's run, if anybody wants to know. To read the clock costs more than the rest.
pub(crate) fn waits() -> Option<Instant> {
    is_heard(Level::DEBUG).then(Instant::now)
}

/// The result of another call's run was shared.
pub(crate) fn coalesced(site: Option<&'static Site>, waited: Option<Duration>) {
    tracing::debug!(
        function = path(site),
        template = template(site),
        outcome = "coalesced",
        time_ms = waited.map(milliseconds),
        "the run of another call was shared"
    );
}

/// A value past its TTL was served.
pub(crate) fn stale(site: Option<&'static Site>) {
    tracing::debug!(
        function = path(site),
        template = template(site),
        outcome = "stale",
        stale = true,
        "a value past its TTL is served"
    );
}

/// A value is loaded anew though its caller has been served.
pub(crate) fn refresh(site: Option<&'static Site>) {
    tracing::debug!(
        function = path(site),
        template = template(site),
        outcome = "refresh",
        background = true,
        "a value is refreshed in the background"
    );
}

/// Nothing fresh was found, and there is nothing to load it by.
pub(crate) fn nothing(site: Option<&'static Site>, keys: usize) {
    if keys > 0 {
        tracing::debug!(
            function = path(site),
            template = template(site),
            outcome = "miss",
            keys,
            "nothing was found"
        );
    }
}

/// A value could not be written. The first of a function is a warning, since all of its values may be like that.
pub(crate) fn unwritten(site: Option<&'static Site>, reason: &str, is_first: bool) {
    let (function, template) = (path(site), template(site));
    if is_first {
        tracing::warn!(
            function,
            template,
            reason,
            "a value cannot be serialised; such values are held in memory alone"
        );
    } else {
        tracing::debug!(function, template, reason, "a value cannot be serialised");
    }
}

/// Something was invalidated. `told` is whether the shared tier knows of it already.
pub(crate) fn invalidated(kind: &'static str, removed: u64, told: bool) {
    tracing::debug!(kind, removed, told, "something was invalidated");
}
