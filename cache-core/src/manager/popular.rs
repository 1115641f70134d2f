//! The texts that are searched for most.

use std::sync::Arc;

use crate::engine::Core;

/// Counts searches; see [`CacheManager::popular_searches`](crate::CacheManager::popular_searches).
///
/// In Redis the counts are a sorted set, `{prefix}:%popular_searches`, shared by all processes.
pub struct PopularSearches<'a> {
    core: &'a Arc<Core>,
}

impl std::fmt::Debug for PopularSearches<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PopularSearches")
    }
}

impl<'a> PopularSearches<'a> {
    pub(super) fn new(core: &'a Arc<Core>) -> Self {
        Self { core }
    }

    /// Counts one search. It waits for nothing: Redis is told in the background. Empty texts and those longer than
    /// 256 bytes are not counted.
    pub fn record(&self, text: impl AsRef<str>) {
        self.core.record_search(text.as_ref());
    }

    /// The texts searched for most, with their counts, the most frequent first: of all processes where Redis answers,
    /// else of this one.
    pub async fn top(&self, count: usize) -> Vec<(String, u64)> {
        self.core.top_searches(count).await
    }
}
