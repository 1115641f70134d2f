//! What the functions read: for each id a version that can be changed, and a count of the runs of its loader.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use tokio::sync::Notify;

/// How long a run of a loader takes.
pub const LOAD: Duration = Duration::from_millis(50);

/// The source of one id. No two trials share one, so that what one of them leaves behind does not count in another.
pub struct Source {
    version: AtomicU64,
    runs: AtomicU64,
    half_way: Notify,
}

/// The source of this id, at version 1 when nobody has changed it.
pub fn source(id: u64) -> Arc<Source> {
    static SOURCES: LazyLock<Mutex<HashMap<u64, Arc<Source>>>> = LazyLock::new(Mutex::default);
    let mut sources = SOURCES.lock().expect("nobody panics with it");
    let new = || {
        Arc::new(Source {
            version: AtomicU64::new(1),
            runs: AtomicU64::new(0),
            half_way: Notify::new(),
        })
    };
    Arc::clone(sources.entry(id).or_insert_with(new))
}

/// An error that can be cloned.
#[derive(Clone, Debug)]
pub struct Cloneable;

/// An error that cannot be cloned, and that nothing converts to.
#[derive(Debug)]
pub struct Unique;

impl Source {
    /// One run of the loader: the version at its start, as a query reads a snapshot.
    pub async fn load(&self) -> u64 {
        let version = self.version();
        self.runs.fetch_add(1, SeqCst);
        tokio::time::sleep(LOAD / 2).await;
        self.half_way.notify_one();
        tokio::time::sleep(LOAD / 2).await;
        version
    }

    /// One run of a loader that fails.
    pub async fn fail<E>(&self, error: E) -> Result<u64, E> {
        self.load().await;
        Err(error)
    }

    /// Waits until a run is half-way.
    pub async fn half_way(&self) {
        self.half_way.notified().await;
    }

    /// Gives the source its next version.
    pub fn change(&self) {
        self.version.fetch_add(1, SeqCst);
    }

    /// What a run that begins now will read.
    pub fn version(&self) -> u64 {
        self.version.load(SeqCst)
    }

    /// How many runs there were so far.
    pub fn runs(&self) -> u64 {
        self.runs.load(SeqCst)
    }
}
