//! Time in milliseconds since the process first asked, for everything that is kept in memory.
//!
//! Invariant: one source per build. Release builds read the kernel's coarse monotonic clock, which costs a hit a few
//! nanoseconds and is a few milliseconds late at most. Debug builds, tests and the feature `test-util` read tokio's clock
//! instead, so that tests can pause and advance it.

/// The current time in milliseconds. Never zero, so that zero can stand for "never".
#[cfg(any(test, debug_assertions, feature = "test-util"))]
pub(crate) fn now() -> u64 {
    use std::sync::OnceLock;
    use std::time::Instant;
    static BASE: OnceLock<Instant> = OnceLock::new();
    let now = tokio::time::Instant::now().into_std();
    let base = BASE.get_or_init(|| now);
    u64::try_from(now.saturating_duration_since(*base).as_millis())
        .unwrap_or(u64::MAX / 2)
        .saturating_add(1)
}

/// The current time in milliseconds. Never zero, so that zero can stand for "never".
#[cfg(not(any(test, debug_assertions, feature = "test-util")))]
#[inline]
pub(crate) fn now() -> u64 {
    // The start of the monotonic clock is the machine's boot, so its ticks are small numbers already.
    // Nothing is kept of what was read: that would be a place in memory that all threads write to.
    coarsetime::Duration::from_ticks(coarsetime::Instant::now_without_cache_update().as_ticks()).as_millis()
        | 1
}

/// Milliseconds on a clock that nobody moves, neither an administrator nor a test: to tell a server's time by, which was
/// asked for a while ago.
#[cfg(feature = "redis")]
pub(crate) fn steady() -> u64 {
    use std::sync::OnceLock;
    use std::time::Instant;
    static BASE: OnceLock<Instant> = OnceLock::new();
    let since = BASE.get_or_init(Instant::now).elapsed();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// A fixed day and the time since, so that a paused clock stops it too.
#[cfg(test)]
pub(crate) fn wall() -> u64 {
    1_700_000_000_000 + now()
}

/// The wall clock in milliseconds since 1970, for the times inside stored entries when no server tells its own.
#[cfg(not(test))]
pub(crate) fn wall() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
