//! One server, with the connections to it. It knows neither keys nor other servers.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use redis::Client;

use super::connect::Target;
use super::link::Link;
use super::sentinel::Sentinels;
use super::tracking::Tracking;

/// What commands travel on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    /// Single reads and writes.
    Fast,
    /// Scans and batches, which would hold up single reads.
    Bulk,
}

/// How servers are connected to.
#[derive(Debug, Clone)]
pub(super) struct Manner {
    /// How long connecting may take.
    pub(super) timeout: Duration,
    /// Whether a second connection is allowed.
    pub(super) two: bool,
    /// Whether reads that are under way at once may ride in one command.
    pub(super) gathers: bool,
    /// What is told of the writes of other programs.
    pub(super) tracking: Option<Arc<Tracking>>,
}

/// Which server it is.
#[derive(Clone)]
pub(super) enum Which {
    At(Arc<Client>),
    MasterOf(Arc<Sentinels>),
}

impl Which {
    fn target(&self, watched: bool) -> Target {
        match self {
            Self::At(client) => Target::Server(Arc::clone(client)),
            Self::MasterOf(sentinels) => Target::Master {
                sentinels: Arc::clone(sentinels),
                watched,
            },
        }
    }
}

pub(super) struct Node {
    pub(super) link: Arc<Link>,
    bulk: OnceLock<Arc<Link>>,
    /// The connection of `link` that `bulk` was last used beside.
    beside: AtomicU64,
    which: Which,
    manner: Manner,
}

impl Node {
    pub(super) fn new(which: Which, manner: Manner) -> Arc<Self> {
        Arc::new(Self {
            link: Link::new(which.target(true), &manner, manner.tracking.clone()),
            bulk: OnceLock::new(),
            beside: AtomicU64::new(0),
            which,
            manner,
        })
    }

    pub(super) fn lane(&self, lane: Lane) -> &Arc<Link> {
        match lane {
            Lane::Fast => &self.link,
            Lane::Bulk => self.bulk(),
        }
    }

    fn bulk(&self) -> &Arc<Link> {
        let Some(epoch) = self.link.epoch().filter(|_| self.manner.two) else {
            return &self.link;
        };
        let bulk = self
            .bulk
            .get_or_init(|| Link::new(self.which.target(false), &self.manner, None));
        // What took the first connection away has most likely taken this one too, though nobody has noticed.
        if self.beside.swap(epoch, Ordering::Relaxed) != epoch {
            bulk.restart();
        }
        // One of the two may have gone to a new master before the other.
        if bulk.is_up() && bulk.origin() != self.link.origin() {
            return &self.link;
        }
        bulk
    }

    pub(super) fn close(&self) {
        self.link.close();
        if let Some(bulk) = self.bulk.get() {
            bulk.close();
        }
    }
}
