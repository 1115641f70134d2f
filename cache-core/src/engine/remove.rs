//! Invalidation: it comes in with a name, never with a value. Memory goes first, so that this process serves nothing
//! old while the shared tier is being told; then the shared tier, then memory again, for what was read back meanwhile.
//! Invariant: an invalidation that the shared tier did not take is not lost; it is repeated until it does, or until
//! what it is about would have expired.

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::pending::Waiting;
use super::{Core, watch};
use crate::generations::fresh_nonce;
use crate::remote::{Budget, News, Remote, Unavailable};
use crate::{clock, glob};

/// What is invalidated.
#[derive(Debug, Clone)]
pub(crate) enum Name {
    Key(String),
    Pattern(String),
    /// All that was loaded under a generation, with the nonce that takes the place of the earlier one wherever it is known.
    Generation(String, u64),
    All,
}

impl Name {
    pub(crate) fn tag(tag: &str) -> Self {
        Self::Generation(generation::of_tag(tag), fresh_nonce())
    }

    /// What a log may have of it: it may itself be made of an argument.
    fn kind(&self) -> &'static str {
        match self {
            Self::Key(_) => "key",
            Self::Pattern(_) => "pattern",
            Self::Generation(name, _) if name.starts_with("%tag:") => "tag",
            Self::Generation(name, _) if name.starts_with("%ns:") => "namespace",
            Self::Generation(..) => "function",
            Self::All => "everything",
        }
    }

    /// What a pattern of an attribute matches: one key, a namespace, or what the shared tier has to look for.
    pub(crate) fn matching(pattern: String) -> Self {
        if !glob::is_pattern(&pattern) {
            return Self::Key(pattern);
        }
        match pattern.strip_suffix(":*") {
            Some(namespace) if !namespace.contains(':') && !glob::is_pattern(namespace) => {
                Self::Generation(generation::of_namespace(namespace), fresh_nonce())
            }
            _ => Self::Pattern(pattern),
        }
    }

    /// All entries of a function, and those that were stored under its keys without it.
    pub(crate) fn function(path: &str, template: &str, namespace: &str) -> [Self; 2] {
        [
            generation::of_function(path, template, namespace),
            generation::of_no_function(namespace),
        ]
        .map(|name| Self::Generation(name, fresh_nonce()))
    }

    /// The same, to be told once more: somebody else may have been told meanwhile, whom the earlier nonce would bring back.
    fn again(self) -> Self {
        match self {
            Self::Generation(name, _) => Self::Generation(name, fresh_nonce()),
            other => other,
        }
    }

    pub(crate) fn news(&self) -> News {
        let (kind, name) = match self {
            Self::Key(key) => (b'k', key.clone()),
            Self::Pattern(pattern) => (b'p', pattern.clone()),
            Self::Generation(name, nonce) => (b'g', format!("{nonce} {name}")),
            Self::All => (b'a', String::new()),
        };
        News { kind, name }
    }

    /// What another process invalidated, if it is known here.
    pub(super) fn of_news(kind: u8, name: String) -> Option<Self> {
        match kind {
            b'k' => Some(Self::Key(name)),
            b'p' => Some(Self::Pattern(name)),
            b'g' => {
                let (nonce, name) = name.split_once(' ')?;
                Some(Self::Generation(name.to_owned(), nonce.parse().ok()?))
            }
            b'a' => Some(Self::All),
            _ => None,
        }
    }
}

/// The names of generations. None of them can be written by a template.
pub(crate) mod generation {
    /// Entries with a tag.
    pub(crate) fn of_tag(tag: &str) -> String {
        format!("%tag:{tag}")
    }

    /// Entries whose keys begin with a namespace.
    pub(crate) fn of_namespace(namespace: &str) -> String {
        format!("%ns:{namespace}")
    }

    /// Whether this is the name of a namespace's generation.
    pub(crate) fn is_of_namespace(name: &str, namespace: &str) -> bool {
        name.strip_prefix("%ns:") == Some(namespace)
    }

    /// Entries of a function. Functions whose templates differ in the names of their arguments alone have the same keys,
    /// and are one here; a digest has the path of its function in it.
    pub(crate) fn of_function(path: &str, template: &str, namespace: &str) -> String {
        if template.ends_with("{query_hash}") {
            return format!("%of:{path}");
        }
        let rest = template.strip_prefix(namespace).unwrap_or(template);
        let mut name = format!("%of:{namespace}");
        let mut inside = false;
        for c in rest.chars() {
            match c {
                '{' => inside = true,
                '}' => {
                    inside = false;
                    if !name.ends_with('*') {
                        name.push('*');
                    }
                }
                _ if inside => {}
                c => name.push(c),
            }
        }
        name
    }

    /// Entries that were stored under their key alone.
    pub(crate) fn of_no_function(namespace: &str) -> String {
        format!("%of:{namespace}")
    }
}

/// Between two rounds of telling what is pending: at first, and at most while it is refused.
const RETRY: Duration = Duration::from_millis(250);
const LONGEST_RETRY: Duration = Duration::from_millis(500);

impl Core {
    /// Invalidates in every tier, as far as the budget goes; the rest follows in the background. Gives how many entries
    /// there were.
    pub(crate) async fn invalidate(self: &Arc<Self>, name: Name, budget: &mut Budget) -> u64 {
        let runs = self.remote.as_ref().map_or(0, Remote::runs);
        let mut since = 0;
        let local = match &name {
            // Nothing is stored under a nonce that the shared tier does not have yet: another one may come between.
            Name::Generation(generation, _) if self.remote.is_some() => {
                since = self.generations.of(generation).forget();
                Vec::new()
            }
            _ => self.forget(&name),
        };
        let Some(remote) = &self.remote else {
            watch::invalidated(name.kind(), local.len() as u64, true);
            return local.len() as u64;
        };
        let mut alone: HashSet<String> = local.into_iter().collect();
        let result = self
            .tell(remote, &name, budget, &mut |key| {
                alone.remove(key);
            })
            .await;
        let told = result.is_ok();
        let removed = result.unwrap_or_else(|Unavailable| {
            self.invalidate_later(name.clone());
            0
        });
        // What was read from the shared tier while it still had the old entry.
        match &name {
            Name::Generation(generation, nonce) if told => {
                self.generations.of(generation).settle(since, *nonce, runs);
            }
            Name::Generation(..) => {}
            _ => drop(self.forget(&name)),
        }
        let removed = match remote {
            // A store does not tell which keys it had, and most are in both tiers.
            Remote::Store(_) => removed.max(alone.len() as u64),
            #[cfg(feature = "redis")]
            Remote::Redis(_) => removed + alone.len() as u64,
        };
        watch::invalidated(name.kind(), removed, told);
        removed
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
        let news: Vec<News> = keys.iter().map(|key| Name::Key(key.clone()).news()).collect();
        let (removed, left) = remote.delete_many(&full, &news, &mut budget).await;
        for key in keys {
            self.forget(&Name::Key(key.clone()));
        }
        for key in left.into_iter().filter_map(|index| keys.get(index)) {
            self.invalidate_later(Name::Key(key.clone()));
        }
        // A key that memory had, Redis had as well, unless it is one that stays in this process.
        removed.max(alone.len() as u64)
    }

    /// Has the shared tier told as soon as it answers.
    pub(crate) fn invalidate_later(self: &Arc<Self>, name: Name) {
        let name = name.again();
        if let Name::Generation(..) = &name {
            self.forget(&name);
        }
        self.pending.add(name);
        self.repeat();
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
            Name::Generation(name, nonce) => {
                self.generations.of(name).replace(*nonce);
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
                let page = self.page(budget.is_background());
                let work = remote.delete_matching(&self.prefix, pattern, page, seen);
                // Each page is waited for within bounds, and there may be many.
                let removed = if budget.is_background() {
                    work.await?
                } else {
                    budget.spend(work).await.unwrap_or(Err(Unavailable))?
                };
                remote.announce(&[name.news()], &mut self.budget()).await?;
                removed
            }
            Name::Generation(generation, nonce) => {
                let renewed = [(self.generation_key(generation), *nonce, name.news())];
                remote.renew_generations(&renewed, budget).await?;
                0
            }
            Name::All => {
                let work = remote.clear(&self.prefix, self.page(budget.is_background()));
                if budget.is_background() {
                    work.await?;
                } else {
                    budget.spend(work).await.unwrap_or(Err(Unavailable))?;
                }
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
        let task = Repeating {
            core: Arc::downgrade(self),
            done: false,
        };
        runtime.spawn(task.run());
    }

    /// Repeats what is pending, the oldest first. Gives whether nothing is left.
    pub(crate) async fn repeat_now(&self) -> bool {
        let Some(remote) = &self.remote else { return true };
        // One that is refused does not keep the others waiting.
        let mut left = self.pending.len();
        while let Some(Waiting { name, until, number }) = self.pending.first() {
            let name = name.again();
            if until > clock::now() {
                if let Name::Generation(..) = &name {
                    self.forget(&name);
                }
                let mut budget = Budget::background();
                let told = self.tell(remote, &name, &mut budget, &mut |_| {}).await;
                if told.is_err() {
                    self.pending.postpone(number);
                    left = left.saturating_sub(1);
                    if left == 0 {
                        return false;
                    }
                    continue;
                }
            }
            if !matches!(name, Name::Generation(..)) {
                self.forget(&name);
            }
            self.pending.remove(number);
        }
        true
    }
}

struct Repeating {
    core: Weak<Core>,
    /// Whether it ended by itself, and not with its runtime.
    done: bool,
}

impl Repeating {
    async fn run(mut self) {
        let mut wait = RETRY;
        loop {
            let Some(core) = self.core.upgrade() else { return };
            if !core.is_on() || core.repeat_now().await {
                self.done = true;
                return;
            }
            // A server that answers and refuses is asked less and less often; one that is gone comes back at any time.
            let refused = core.remote.as_ref().is_some_and(Remote::is_up);
            wait = if refused {
                (wait * 2).min(LONGEST_RETRY)
            } else {
                RETRY
            };
            drop(core);
            tokio::time::sleep(wait).await;
        }
    }
}

impl Drop for Repeating {
    fn drop(&mut self) {
        if let Some(core) = self.core.upgrade() {
            core.pending.running.store(false, Ordering::SeqCst);
            // Something may have been added after this task had seen that there was nothing left. On a runtime that ends,
            // nothing can be started; the next call does that elsewhere.
            if self.done && core.is_on() && !core.pending.is_empty() {
                core.repeat();
            }
        }
    }
}
