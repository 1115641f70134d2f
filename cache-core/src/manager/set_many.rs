//! Storing several values, at once or in the background. Invariant: either all of them can be written, or none is stored.

use std::collections::BTreeMap;
use std::future::IntoFuture;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::task::JoinHandle;

use super::set::{checked, checked_ttl, hold, kept};
use crate::CacheError;
use crate::engine::Core;
use crate::engine::remove::Name;
use crate::generations::{Generation, Snapshot};

/// Values to be stored; see [`CacheManager::set_many`](crate::CacheManager::set_many). It does nothing until awaited or sent
/// to the background.
#[must_use = "nothing is stored until this is awaited or sent to the background"]
pub struct SetMany {
    core: Arc<Core>,
    pairs: Result<Vec<Pair>, CacheError>,
    shape: u64,
    ttl: Option<Duration>,
    tags: Vec<String>,
}

impl std::fmt::Debug for SetMany {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SetMany")
            .field("pairs", &self.pairs.as_ref().map_or(0, Vec::len))
            .field("ttl", &self.ttl)
            .field("tags", &self.tags)
            .finish_non_exhaustive()
    }
}

/// A key and its encoded value.
struct Pair {
    key: String,
    bytes: Vec<u8>,
}

impl SetMany {
    /// `shape` is that of the values' type; 0 when it is not known.
    pub(crate) fn new(
        core: &Arc<Core>,
        pairs: impl IntoIterator<Item = (String, Result<Vec<u8>, String>)>,
        shape: u64,
    ) -> Self {
        let checked = pairs.into_iter().map(|(key, bytes)| {
            let bytes = checked(core, &key, bytes)?;
            Ok(Pair { key, bytes })
        });
        Self {
            core: Arc::clone(core),
            pairs: checked.collect(),
            shape,
            ttl: None,
            tags: Vec::new(),
        }
    }

    /// How long the values are fresh; without this, as long as the namespace of each says, which is what its key begins with
    /// up to its first colon.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// Names under which all of these entries can be invalidated.
    pub fn tags<S: Into<String>>(mut self, tags: impl IntoIterator<Item = S>) -> Self {
        self.tags.extend(tags.into_iter().map(Into::into));
        self
    }

    /// Stores them in a task of their own. Await what it returns to know that they are there; that is also where an error
    /// comes out.
    pub fn in_background(self) -> Warm {
        let work = self.store();
        Warm(match tokio::runtime::Handle::try_current() {
            Ok(runtime) => State::Running(runtime.spawn(work)),
            Err(_) => State::Lazy(Box::pin(work)),
        })
    }

    async fn store(self) -> Result<(), CacheError> {
        let (core, pairs) = (self.core, self.pairs?);
        let lives = pairs.iter().map(|pair| checked_ttl(&core, &pair.key, self.ttl));
        let lives = lives.collect::<Result<Vec<u64>, CacheError>>()?;
        if !core.is_on() {
            return Ok(());
        }
        let size = core.config.batch_size;
        for (pairs, lives) in pairs.chunks(size).zip(lives.chunks(size)) {
            store_piece(&core, pairs, lives, self.shape, &self.tags).await;
        }
        Ok(())
    }
}

/// Stores what goes into one command.
async fn store_piece(core: &Arc<Core>, pairs: &[Pair], lives: &[u64], shape: u64, tags: &[String]) {
    let mut budget = core.budget();
    let names: BTreeMap<Arc<str>, Arc<Generation>> = pairs
        .iter()
        .flat_map(|pair| core.generations_of(&pair.key, tags).to_vec())
        .map(|generation| (Arc::clone(&generation.name), generation))
        .collect();
    let names: Vec<Arc<Generation>> = names.into_values().collect();
    let standing = core.snapshots(core.remote.as_ref(), &names, &mut budget).await;
    let mut entries = Vec::with_capacity(pairs.len());
    let mut told = Vec::with_capacity(pairs.len());
    let mut untold = Vec::new();
    for (Pair { key, bytes }, ttl) in pairs.iter().zip(lives) {
        let own = core.generations_of(key, tags);
        let of_key = |snapshot: &&Snapshot| own.iter().any(|own| Arc::ptr_eq(own, &snapshot.generation));
        let generations = standing.iter().filter(of_key).cloned().collect();
        let keep = kept(bytes, *ttl, shape, generations);
        let name = Name::Key(key.clone());
        match hold(core, key, &keep, bytes.clone()) {
            Some(entry) => {
                let ttl = Duration::from_millis(*ttl);
                entries.push((core.full_key(key), entry, ttl, name.news()));
                told.push(name);
            }
            None => untold.push(name),
        }
    }
    let Some(remote) = &core.remote else { return };
    let stored = remote.put_many(entries, &mut budget).await;
    let left = told.into_iter().zip(stored);
    untold.extend(left.filter_map(|(name, stored)| stored.is_err().then_some(name)));
    for name in untold {
        core.invalidate_later(name);
    }
}

impl IntoFuture for SetMany {
    type Output = Result<(), CacheError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.store())
    }
}

/// Values on their way into the cache; see [`CacheManager::warm`](crate::CacheManager::warm). It goes on when this is
/// dropped.
pub struct Warm(State);

enum State {
    Running(JoinHandle<Result<(), CacheError>>),
    /// There was no runtime to go on in.
    Lazy(Pin<Box<dyn Future<Output = Result<(), CacheError>> + Send>>),
    Done,
}

impl std::fmt::Debug for Warm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Warm")
    }
}

impl Future for Warm {
    type Output = Result<(), CacheError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let ready = match &mut self.0 {
            // A task that was ended with its runtime has nothing to report.
            State::Running(task) => Pin::new(task).poll(context).map(|ended| ended.unwrap_or(Ok(()))),
            State::Lazy(work) => work.as_mut().poll(context),
            State::Done => Poll::Ready(Ok(())),
        };
        if ready.is_ready() {
            self.0 = State::Done;
        }
        ready
    }
}
