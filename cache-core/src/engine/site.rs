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
