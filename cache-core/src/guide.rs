//! For those who come from another cache: five systems, and where each of their calls, options and variables is here.
//!
//! | from | page | example |
//! |---|---|---|
//! | campaign status: what platforms say, with a stale value when they fail | [`campaign_status`] | `campaigns` |
//! | typed caches: a class for each kind of entry, behind one manager | [`typed_caches`] | `typed_caches` |
//! | dual storage: raw keys in memory or in Redis, with eviction and batches | [`dual_storage`] | `dual_storage` |
//! | leads and search: decorators, digests of queries, popular searches | [`leads_and_search`] | `leads_search`, `leads_api` |
//! | cached responses: decorators on the handlers of a web service | [`cached_responses`] | `responses`, `leads_api` |
//!
//! Each example runs with `cargo run -p examples --example NAME`. All of the features, with the test that shows each, are in
//! [`features`], which also says what was done where two systems differ.
//!
//! [`mistakes`] are twelve that caches find in production elsewhere, with what the compiler says of them here.
//!
//! What changes for all of them: a cache that fails raises nothing, several callers of one key share one load, what is
//! invalidated while it is loaded is not stored, and an invalidation is heard by all processes that share a Redis.

#[cfg(feature = "macros")]
#[doc = include_str!("../guide/campaign_status.md")]
pub mod campaign_status {}

#[cfg(all(feature = "macros", feature = "uuid"))]
#[doc = include_str!("../guide/typed_caches.md")]
pub mod typed_caches {}

#[doc = include_str!("../guide/dual_storage.md")]
pub mod dual_storage {}

#[cfg(feature = "macros")]
#[doc = include_str!("../guide/leads_and_search.md")]
pub mod leads_and_search {}

#[cfg(all(feature = "macros", feature = "axum"))]
#[doc = include_str!("../guide/cached_responses.md")]
pub mod cached_responses {}

#[cfg(feature = "macros")]
#[doc = include_str!("../guide/mistakes.md")]
pub mod mistakes {}

#[doc = include_str!("../guide/features.md")]
pub mod features {}
