//! Invalidation: it comes in with a name, never with a value. Memory goes first, so that this process serves nothing
//! old while the shared tier is being told; then the shared tier, then memory again, for what was read back meanwhile.
//! Invariant: an invalidation that the shared tier did not take is not lost; it is repeated until it does, or until
//! what it is about would have expired.

use std::collections::{HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use super::{Core, tag_name};
use crate::remote::{Remote, Unavailable};
use crate::{clock, glob};

/// What is invalidated.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Name {
    Key(String),
    Pattern(String),
    Tag(String),
    All,
}

/// Invalidations that the shared tier has not taken yet, the newest last.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    queue: Mutex<VecDeque<(Name, u64)>>,
    running: AtomicBool,
}

/// The most names that wait. Beyond it everything is invalidated, which is one name.
const MOST_PENDING: usize = 10_000;
/// How long a name is repeated, in milliseconds: longer than entries live by default.
const GIVE_UP: u64 = 30 * 86_400_000;
const RETRY: Duration = Duration::from_millis(250);

impl Pending {
    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<(Name, u64)>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Whether a key may not be read from the shared tier, because its invalidation is still to come.
    pub(crate) fn covers(&self, key: &str) -> bool {
        self.lock().iter().any(|(name, _)| match name {
            Name::Key(other) => other == key,
            Name::Pattern(pattern) => glob::matches(pattern.as_bytes(), key.as_bytes()) || crate::key::is_shortened(key),
            Name::Tag(_) => false,
            Name::All => true,
        })
    }

    fn add(&self, name: Name) {
        let mut queue = self.lock();
        queue.retain(|(other, _)| *other != name);
        if queue.len() >= MOST_PENDING {
            queue.clear();
            queue.push_back((Name::All, clock::now() + GIVE_UP));
        } else {
            queue.push_back((name, clock::now() + GIVE_UP));
        }
    }
}

impl Core {
    /// Invalidates in every tier. Gives how many entries there were.
    pub(crate) async fn invalidate(self: &Arc<Self>, name: Name) -> u64 {
        let local = self.forget(&name);
        let Some(remote) = &self.remote else { return local.len() as u64 };
        let mut alone: HashSet<String> = local.into_iter().collect();
        let result = self
            .tell(remote, &name, &mut |key| {
                alone.remove(key);
            })
            .await;
        // What was read from the shared tier while it still had the old entry.
        self.forget(&name);
        match result {
            Ok(removed) => removed + alone.len() as u64,
            Err(Unavailable) => {
                self.invalidate_later(name);
                alone.len() as u64
            }
        }
    }

    /// Invalidates several keys with one command.
    pub(crate) async fn invalidate_many(self: &Arc<Self>, keys: &[String]) -> u64 {
        let mut alone: HashSet<String> = HashSet::new();
        for key in keys {
            alone.extend(self.forget(&Name::Key(key.clone())));
        }
        let Some(remote) = &self.remote else { return alone.len() as u64 };
        let full: Vec<String> = keys.iter().map(|key| self.full_key(key)).collect();
        let result = remote.delete_many(full, &mut self.budget()).await;
        for key in keys {
            self.forget(&Name::Key(key.clone()));
            if result.is_err() {
                self.invalidate_later(Name::Key(key.clone()));
            }
        }
        // A key that memory had, Redis had as well, unless it is one that stays in this process.
        result.map_or(alone.len() as u64, |removed| removed.max(alone.len() as u64))
    }

    /// Has the shared tier told as soon as it answers.
    pub(crate) fn invalidate_later(self: &Arc<Self>, name: Name) {
        self.pending.add(name);
        self.repeat();
    }

    /// Invalidates in this process. Gives the keys of the entries that were there.
    pub(crate) fn forget(&self, name: &Name) -> Vec<String> {
        match name {
            Name::Key(key) => {
                let removed = self.memory.remove(self.memory.hash(key), key);
                removed.map(|entry| vec![entry.key.to_string()]).unwrap_or_default()
            }
            Name::Pattern(pattern) => {
                self.memory.remove_matching(pattern).into_iter().map(|entry| entry.key.to_string()).collect()
            }
            Name::Tag(tag) => {
                self.generations.of(&tag_name(tag)).renew();
                Vec::new()
            }
            Name::All => {
                self.memory.clear();
                self.generations.renew_all();
                Vec::new()
            }
        }
    }

    async fn tell(
        &self,
        remote: &Remote,
        name: &Name,
        seen: &mut (dyn FnMut(&str) + Send),
    ) -> Result<u64, Unavailable> {
        Ok(match name {
            Name::Key(key) => {
                let removed = remote.delete(&self.full_key(key), &mut self.budget()).await?;
                if removed {
                    seen(key);
                }
                u64::from(removed)
            }
            Name::Pattern(pattern) => {
                remote.delete_matching(&self.prefix, pattern, self.page(), seen).await?
            }
            Name::Tag(tag) => {
                let name = tag_name(tag);
                let generation = self.generations.of(&name);
                remote.renew_generation(&self.full_key(&name), generation.nonce(), &mut self.budget()).await?;
                0
            }
            Name::All => {
                remote.clear(&self.prefix, self.page()).await?;
                0
            }
        })
    }

    /// The wait for one page of a scan.
    fn page(&self) -> Duration {
        self.config.op_budget.max(Duration::from_millis(100)) * 5
    }

    /// Starts the task that repeats what is pending, unless it runs.
    fn repeat(self: &Arc<Self>) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if self.pending.running.swap(true, Ordering::AcqRel) {
            return;
        }
        let task = Repeating(Arc::downgrade(self));
        runtime.spawn(task.run());
    }

    /// Repeats what is pending, the oldest first. Gives whether nothing is left.
    pub(crate) async fn repeat_now(&self) -> bool {
        let Some(remote) = &self.remote else { return true };
        loop {
            let Some((name, until)) = self.pending.lock().front().cloned() else { return true };
            if until > clock::now() && self.tell(remote, &name, &mut |_| {}).await.is_err() {
                return false;
            }
            self.forget(&name);
            self.pending.lock().retain(|(other, other_until)| *other != name || *other_until != until);
        }
    }
}

struct Repeating(Weak<Core>);

impl Repeating {
    async fn run(self) {
        loop {
            let Some(core) = self.0.upgrade() else { return };
            if !core.is_on() || core.repeat_now().await {
                return;
            }
            drop(core);
            tokio::time::sleep(RETRY).await;
        }
    }
}

impl Drop for Repeating {
    fn drop(&mut self) {
        if let Some(core) = self.0.upgrade() {
            core.pending.running.store(false, Ordering::Release);
        }
    }
}
