//! Invalidation: it comes in with a name, never with a value. Memory goes first, so that this process serves nothing
//! old while the shared tier is being told; then the shared tier, then memory again, for what was read back meanwhile.
//! Invariant: an invalidation that the shared tier did not take is not lost; it is repeated until it does, or until
//! what it is about would have expired.

use std::collections::{HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use super::{Core, tag_name};
use crate::generations::fresh_nonce;
use crate::remote::{Budget, News, Remote, Unavailable};
use crate::{clock, glob};

/// What is invalidated.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Name {
    Key(String),
    Pattern(String),
    /// With the nonce that takes the place of the earlier one, wherever it is known.
    Tag(String, u64),
    All,
}

impl Name {
    pub(crate) fn tag(tag: String) -> Self {
        Self::Tag(tag, fresh_nonce())
    }

    fn news(&self) -> News {
        let (kind, name) = match self {
            Self::Key(key) => (b'k', key.as_str()),
            Self::Pattern(pattern) => (b'p', pattern.as_str()),
            Self::Tag(tag, _) => (b't', tag.as_str()),
            Self::All => (b'a', ""),
        };
        News {
            kind,
            name: name.to_owned(),
        }
    }

    /// What another process invalidated, if it is known here.
    #[cfg(feature = "redis")]
    pub(super) fn of_news(kind: u8, name: String) -> Option<Self> {
        match kind {
            b'k' => Some(Self::Key(name)),
            b'p' => Some(Self::Pattern(name)),
            b't' => Some(Self::tag(name)),
            b'a' => Some(Self::All),
            _ => None,
        }
    }
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
            Name::Pattern(pattern) => {
                glob::matches(pattern.as_bytes(), key.as_bytes()) || crate::key::is_shortened(key)
            }
            Name::Tag(..) => false,
            Name::All => true,
        })
    }

    /// Whether the nonce of a generation is still to be told.
    pub(crate) fn covers_tag(&self, generation: &str) -> bool {
        self.lock().iter().any(|(name, _)| match name {
            Name::Tag(tag, _) => tag_name(tag) == generation,
            Name::All => true,
            Name::Key(_) | Name::Pattern(_) => false,
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
    /// Invalidates in every tier, as far as the budget goes; the rest follows in the background. Gives how many entries
    /// there were.
    pub(crate) async fn invalidate(self: &Arc<Self>, name: Name, budget: &mut Budget) -> u64 {
        let local = self.forget(&name);
        let Some(remote) = &self.remote else {
            return local.len() as u64;
        };
        let mut alone: HashSet<String> = local.into_iter().collect();
        let result = self
            .tell(remote, &name, budget, &mut |key| {
                alone.remove(key);
            })
            .await;
        let removed = result.unwrap_or_else(|Unavailable| {
            self.invalidate_later(name.clone());
            0
        });
        // What was read from the shared tier while it still had the old entry.
        self.forget(&name);
        match remote {
            // A store does not tell which keys it had, and most are in both tiers.
            Remote::Store(_) => removed.max(alone.len() as u64),
            #[cfg(feature = "redis")]
            Remote::Redis(_) => removed + alone.len() as u64,
        }
    }

    /// Invalidates several keys with one command.
    pub(crate) async fn invalidate_many(self: &Arc<Self>, keys: &[String]) -> u64 {
        let mut alone: HashSet<String> = HashSet::new();
        for key in keys {
            alone.extend(self.forget(&Name::Key(key.clone())));
        }
        let Some(remote) = &self.remote else {
            return alone.len() as u64;
        };
        let full: Vec<String> = keys.iter().map(|key| self.full_key(key)).collect();
        let mut budget = self.budget();
        let mut result = remote.delete_many(full, &mut budget).await;
        let news: Vec<News> = keys.iter().map(|key| Name::Key(key.clone()).news()).collect();
        if remote.announce(&news, &mut budget).await.is_err() {
            result = Err(Unavailable);
        }
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

    /// Another process invalidated a tag: its nonce is asked for again, and what was loaded under the one that is known
    /// here counts no more.
    #[cfg(feature = "redis")]
    pub(super) fn distrust_tag(&self, tag: &str) {
        let generation = self.generations.of(&tag_name(tag));
        generation.replace(fresh_nonce());
        generation.distrust();
    }

    /// Invalidates in this process. Gives the keys of the entries that were there.
    pub(crate) fn forget(&self, name: &Name) -> Vec<String> {
        match name {
            Name::Key(key) => {
                let removed = self.memory.remove(self.memory.hash(key), key);
                removed
                    .map(|entry| vec![entry.key.to_string()])
                    .unwrap_or_default()
            }
            Name::Pattern(pattern) => self
                .memory
                .remove_matching(pattern)
                .into_iter()
                .map(|entry| entry.key.to_string())
                .collect(),
            Name::Tag(tag, nonce) => {
                self.generations.of(&tag_name(tag)).replace(*nonce);
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
        budget: &mut Budget,
        seen: &mut (dyn FnMut(&str) + Send),
    ) -> Result<u64, Unavailable> {
        Ok(match name {
            Name::Key(key) => {
                let removed = remote
                    .invalidate(&self.full_key(key), &name.news(), budget)
                    .await?;
                if removed {
                    seen(key);
                }
                u64::from(removed)
            }
            Name::Pattern(pattern) => {
                let work =
                    remote.delete_matching(&self.prefix, pattern, self.page(budget.is_background()), seen);
                let removed = budget.spend(work).await.unwrap_or(Err(Unavailable))?;
                remote.announce(&[name.news()], &mut self.budget()).await?;
                removed
            }
            Name::Tag(tag, nonce) => {
                let key = self.full_key(&tag_name(tag));
                remote.renew_generation(&key, *nonce, budget).await?;
                remote.announce(&[name.news()], budget).await?;
                0
            }
            Name::All => {
                budget
                    .spend(remote.clear(&self.prefix, self.page(budget.is_background())))
                    .await
                    .unwrap_or(Err(Unavailable))?;
                remote.announce(&[name.news()], &mut self.budget()).await?;
                0
            }
        })
    }

    /// The wait for one page of a scan. Nobody waits for what is done in the background, so it may take longer there.
    fn page(&self, background: bool) -> Duration {
        if background {
            Duration::from_secs(2)
        } else {
            self.config.op_budget.max(Duration::from_millis(50))
        }
    }

    /// Starts the task that repeats what is pending, unless it runs.
    pub(crate) fn repeat(self: &Arc<Self>) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
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
            let Some((name, until)) = self.pending.lock().front().cloned() else {
                return true;
            };
            if until > clock::now()
                && self
                    .tell(remote, &name, &mut Budget::background(), &mut |_| {})
                    .await
                    .is_err()
            {
                return false;
            }
            self.forget(&name);
            self.pending
                .lock()
                .retain(|(other, other_until)| *other != name || *other_until != until);
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
            core.pending.running.store(false, Ordering::SeqCst);
            // Something may have been added after this task had seen that there was nothing left.
            if core.is_on() && !core.pending.is_empty() {
                core.repeat();
            }
        }
    }
}
