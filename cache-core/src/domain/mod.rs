//! What an application keeps in a cache, in its own terms: namespaces, searches, campaigns. These are names for keys and
//! defaults for how long, over the operations of the manager; nothing here stores, loads or invalidates by itself.
//! Invariant: every key is written as the templates of the attributes write it, so that both share their entries.

mod campaigns;
mod namespace;
mod search;

pub use campaigns::Campaigns;
pub use namespace::Namespace;
pub use search::Search;

use crate::CacheManager;

impl CacheManager {
    /// The entries of one namespace: of all keys `{name}:{id}`. The name is taken as it is, ids are escaped as in templates.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), cache_core::CacheError> {
    /// # let cache = cache_core::CacheManager::in_memory();
    /// let reports = cache.namespace("report");
    /// reports.set("2024-05", &12).await?;
    /// assert_eq!(reports.get::<u32>("2024-05").await, Some(12));
    /// assert_eq!(cache.get::<u32>("report:2024-05").await, Some(12));
    /// # Ok(())
    /// # }
    /// ```
    pub fn namespace<'a>(&'a self, name: &'a str) -> Namespace<'a> {
        Namespace::new(self, name)
    }

    /// Leads, under `lead:{lead_id}`, for `LEAD_CACHE_TTL`: the entries of `#[cache_lead_data]`.
    pub fn leads(&self) -> Namespace<'_> {
        self.namespace("lead")
    }

    /// The preferences of users, under `user_prefs:{email}`, for `USER_PREFS_TTL`.
    pub fn user_prefs(&self) -> Namespace<'_> {
        self.namespace("user_prefs")
    }

    /// Figures, under `analytics:{metric}`, for `ANALYTICS_TTL`.
    pub fn analytics(&self) -> Namespace<'_> {
        self.namespace("analytics")
    }

    /// What is suggested for the beginning of a text, under `suggestions:{prefix}`, for `CACHE_TTL_SUGGESTIONS` or the
    /// default TTL.
    pub fn suggestions(&self) -> Namespace<'_> {
        self.namespace("suggestions")
    }

    /// The results of searches, by their queries.
    pub fn search(&self) -> Search<'_> {
        Search::new(self)
    }

    /// What the platforms say of campaigns and their ad sets.
    pub fn campaigns(&self) -> Campaigns<'_> {
        Campaigns::new(self)
    }
}
