//! How often texts were searched for: counted in this process at once, added up in Redis in the background.
//! Invariant: counting never waits and holds a bounded number of texts.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use super::Core;

/// The texts that are counted in memory at most; then the rarer half is forgotten.
const MOST_TEXTS: usize = 10_000;
/// The longest text that is counted, in bytes.
const LONGEST: usize = 256;
const EVERY: Duration = Duration::from_millis(200);
/// The sorted set, under the prefix.
pub(crate) const SET: &str = "%popular_searches";

#[derive(Debug, Default)]
pub(crate) struct Popular {
    counts: Mutex<Counts>,
    flushing: AtomicBool,
}

#[derive(Debug, Default)]
struct Counts {
    all: HashMap<String, u64>,
    /// What Redis has not been told.
    untold: HashMap<String, u64>,
}

impl Popular {
    fn lock(&self) -> std::sync::MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_untold(&self) -> Vec<(String, u64)> {
        self.lock().untold.drain().collect()
    }

    fn put_back(&self, untold: Vec<(String, u64)>) {
        let mut counts = self.lock();
        for (text, by) in untold {
            add(&mut counts.untold, &text, by);
        }
    }

    pub(crate) fn clear(&self) {
        *self.lock() = Counts::default();
    }
}

fn add(counts: &mut HashMap<String, u64>, text: &str, by: u64) {
    if let Some(count) = counts.get_mut(text) {
        *count = count.saturating_add(by);
        return;
    }
    if counts.len() >= MOST_TEXTS {
        let mut sorted: Vec<u64> = counts.values().copied().collect();
        let (_, middle, _) = sorted.select_nth_unstable(MOST_TEXTS / 2);
        let middle = *middle;
        let mut room = MOST_TEXTS / 2;
        counts.retain(|_, count| {
            let keep = *count > middle || (*count == middle && room > 0);
            room = room.saturating_sub(usize::from(keep));
            keep
        });
    }
    counts.insert(text.to_owned(), by);
}

impl Core {
    /// Counts a search, unless the text is empty or very long.
    pub(crate) fn record_search(self: &Arc<Self>, text: &str) {
        let text = text.trim();
        if text.is_empty() || text.len() > LONGEST || !self.is_on() {
            return;
        }
        let mut counts = self.popular.lock();
        add(&mut counts.all, text, 1);
        if self.remote.as_ref().is_some_and(crate::remote::Remote::counts) {
            add(&mut counts.untold, text, 1);
            drop(counts);
            self.start_flushing();
        }
    }

    /// The texts searched for most, with their counts: of all processes where Redis answers, else of this one.
    pub(crate) async fn top_searches(&self, count: usize) -> Vec<(String, u64)> {
        if let Some(remote) = &self.remote {
            self.flush_searches().await;
            let key = self.full_key(SET);
            if let Some(Ok(top)) = remote.top_scores(&key, count, &mut self.budget()).await {
                return top;
            }
        }
        let mut top: Vec<(String, u64)> = self
            .popular
            .lock()
            .all
            .iter()
            .map(|(text, count)| (text.clone(), *count))
            .collect();
        top.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        top.truncate(count);
        top
    }

    async fn flush_searches(&self) -> bool {
        let Some(remote) = &self.remote else { return true };
        let untold = self.popular.take_untold();
        if untold.is_empty() {
            return true;
        }
        match remote
            .add_scores(&self.full_key(SET), &untold, &mut self.budget())
            .await
        {
            Some(Err(_)) => {
                self.popular.put_back(untold);
                false
            }
            _ => true,
        }
    }

    fn start_flushing(self: &Arc<Self>) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        if self.popular.flushing.swap(true, Ordering::AcqRel) {
            return;
        }
        let task = Flushing(Arc::downgrade(self));
        runtime.spawn(task.run());
    }
}

struct Flushing(Weak<Core>);

impl Flushing {
    async fn run(self) {
        loop {
            tokio::time::sleep(EVERY).await;
            let Some(core) = self.0.upgrade() else { return };
            if core.flush_searches().await {
                return;
            }
        }
    }
}

impl Drop for Flushing {
    fn drop(&mut self) {
        if let Some(core) = self.0.upgrade() {
            core.popular.flushing.store(false, Ordering::Release);
        }
    }
}
