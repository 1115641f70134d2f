//! What an attribute says about its function, as a static. It holds no entries and no counters.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::Tier;
use crate::key::Numbered;

/// An annotated function. Made by the attributes.
#[derive(Debug)]
pub struct Site {
    /// `crate::module::function`.
    pub(crate) path: &'static str,
    /// The key's template as it was written; shown with what went wrong.
    pub(crate) template: &'static str,
    pub(crate) ttl: Option<u64>,
    pub(crate) none_ttl: Option<u64>,
    pub(crate) version: u32,
    pub(crate) tier: Tier,
    pub(crate) bounded: bool,
    /// How long past its TTL an entry is served when the function fails; 0 for not at all. In milliseconds, as are the
    /// other durations.
    pub(crate) stale_if_error: u64,
    /// How long past its TTL an entry is served while it is refreshed; 0 for not at all.
    pub(crate) stale_while_revalidate: u64,
    /// The part of the TTL, in millionths, past which a hit starts a refresh; 0 for never.
    pub(crate) refresh_ahead: u32,
    /// The part of the TTL, in millionths, that it is shortened by at random at most.
    pub(crate) jitter: u32,
    /// How long a caller waits before it is served a stale value; 0 for as long as it takes.
    pub(crate) soft_timeout: u64,
    /// How long a caller waits at most; 0 for as long as it takes.
    pub(crate) hard_timeout: u64,
    id: AtomicUsize,
}

impl Site {
    /// A function by its path, with the template of its key.
    pub const fn new(path: &'static str, template: &'static str) -> Self {
        Self {
            path,
            template,
            ttl: None,
            none_ttl: None,
            version: 0,
            tier: Tier::Both,
            bounded: false,
            stale_if_error: 0,
            stale_while_revalidate: 0,
            refresh_ahead: 0,
            jitter: 0,
            soft_timeout: 0,
            hard_timeout: 0,
            id: AtomicUsize::new(0),
        }
    }

    /// How long entries are fresh.
    pub const fn ttl_millis(mut self, ttl: u64) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// How long a `None` is kept.
    pub const fn none_ttl_millis(mut self, ttl: u64) -> Self {
        self.none_ttl = Some(ttl);
        self
    }

    /// The version of the function.
    pub const fn version(mut self, version: u32) -> Self {
        self.version = version;
        self
    }

    /// Entries stay in this process.
    pub const fn memory_only(mut self) -> Self {
        self.tier = Tier::Memory;
        self
    }

    /// Entries are not held in memory where there is Redis.
    pub const fn redis_only(mut self) -> Self {
        self.tier = Tier::Redis;
        self
    }

    /// Longer lists than `MAX_SEARCH_RESULTS` are not stored.
    pub const fn max_items_from_env(mut self) -> Self {
        self.bounded = true;
        self
    }

    /// How long past its TTL an entry is served when the function fails.
    pub const fn stale_if_error_millis(mut self, duration: u64) -> Self {
        self.stale_if_error = duration;
        self
    }

    /// How long past its TTL an entry is served while it is refreshed.
    pub const fn stale_while_revalidate_millis(mut self, duration: u64) -> Self {
        self.stale_while_revalidate = duration;
        self
    }

    /// The part of the TTL past which a hit starts a refresh.
    pub const fn refresh_ahead_millionths(mut self, part: u32) -> Self {
        self.refresh_ahead = part;
        self
    }

    /// The part of the TTL that it is shortened by at random at most.
    pub const fn jitter_millionths(mut self, part: u32) -> Self {
        self.jitter = part;
        self
    }

    /// How long a caller waits before it is served a stale value.
    pub const fn soft_timeout_millis(mut self, duration: u64) -> Self {
        self.soft_timeout = duration;
        self
    }

    /// How long a caller waits at most.
    pub const fn hard_timeout_millis(mut self, duration: u64) -> Self {
        self.hard_timeout = duration;
        self
    }

    /// The number of the function in this process, given at first use.
    #[inline]
    pub(crate) fn id(&self) -> usize {
        match self.id.load(Ordering::Relaxed) {
            0 => self.first_id(),
            id => id,
        }
    }

    #[cold]
    fn first_id(&self) -> usize {
        static NEXT: AtomicUsize = AtomicUsize::new(1);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        match self
            .id
            .compare_exchange(0, id, Ordering::Relaxed, Ordering::Relaxed)
        {
            Ok(_) => id,
            Err(earlier) => earlier,
        }
    }

    /// The path, for a [`KeyWriter`](crate::KeyWriter).
    #[inline]
    pub(crate) fn path(&self) -> &'static str {
        self.path
    }
}

impl Numbered for Site {
    #[inline]
    fn number(&self) -> usize {
        self.id()
    }
}
