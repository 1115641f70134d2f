//! What a handle does with one entry: it looks, or says what the value is. Neither runs a function. Invariant: what is put
//! in is newer than every load that runs, and is stored on the same terms as what the function gives.

use std::sync::Arc;

use super::super::read::Found;
use super::Ticket;
use crate::codec::{Content, Value};
use crate::engine::remove::Name;
use crate::memory::Draft;

impl Ticket {
    /// What is fresh under the key, in memory or in the shared tier. Nobody waits for a load.
    pub(crate) async fn peek(&self) -> Option<Content> {
        let core = &self.core;
        let names = self.names();
        let in_memory = core.in_memory(self.tier());
        if in_memory {
            let held = core.memory.fresh(self.hash, &self.key, |entry| {
                self.may_be_served(entry, &names).then(|| entry.content.clone())
            });
            if let Some(Some(content)) = held {
                return Some(content);
            }
        }
        let remote = self.reachable()?;
        // The load is what an invalidation that comes meanwhile will fence.
        let mut run = self.run_alone(&names);
        let wanted = self.wanted(&names, &run.standing);
        let fetched = core.fetch(remote, &self.key, &wanted, &mut run.budget).await;
        core.discard(remote, &self.key, &fetched, &mut run.budget).await;
        let Found::Fresh(draft) = fetched.found else {
            return None;
        };
        let Draft { content, .. } = &draft;
        let content = content.clone();
        if in_memory {
            self.commit(&run, draft);
        }
        Some(content)
    }

    /// Stores a value that somebody says is what the function gives.
    pub(crate) async fn put(mut self, value: Value, size: usize) {
        self.refresh = true;
        let ttl = if self.is_short_enough(&value) {
            self.ttl_of(None)
        } else {
            0
        };
        if ttl == 0 {
            // What is there is not the value any more.
            let mut budget = self.core.budget();
            let name = Name::Key(self.key.to_string());
            self.core.invalidate(name, &mut budget).await;
            return;
        }
        // Loads that run hold something older than this, and nobody is to join them.
        self.core.memory.fence(self.hash, &self.key);
        let mut run = self.replace(&self.names()).await;
        let generations = Arc::clone(&run.standing.snapshots);
        let keep = self.keeping(Content::Value(value), ttl, size, generations);
        self.keep(&mut run, keep).await;
    }
}
