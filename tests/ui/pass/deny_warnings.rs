//! What is generated is lint-clean in a crate that denies everything.
#![deny(
    warnings,
    missing_docs,
    missing_debug_implementations,
    single_use_lifetimes,
    unreachable_pub,
    unused,
    unused_qualifications,
    rust_2018_idioms,
    clippy::all,
    clippy::pedantic,
    clippy::nursery,
    clippy::allow_attributes
)]
#![forbid(unsafe_code)]

use cache_core::{cache_lead_data, cache_result, cache_search_results, invalidate_cache};

/// A lead.
#[cache_lead_data(ttl = "2h5m")]
pub async fn lead(lead_id: u64) -> Option<u64> {
    if lead_id == 0 {
        return None;
    }
    Some(lead_id)
}

/// A search.
///
/// # Errors
///
/// Never.
#[cache_search_results(popular = text)]
pub async fn search(text: &str, page: u32) -> Result<Vec<String>, std::fmt::Error> {
    Ok(vec![text.repeat(page as usize)])
}

#[cache_result("length", |text| text.to_owned())]
async fn length(text: &str) -> usize {
    text.len()
}

/// A word that is looked up in the background.
///
/// # Errors
///
/// Never.
#[cache_result(
    key = "word:{text}",
    skip(limit, _unused),
    cache_if = |word| word.len() < limit,
    stale_if_error = "1h",
    stale_while_revalidate = "5m",
    refresh_ahead = 0.8,
    soft_timeout = "500ms",
    hard_timeout = "5s",
    jitter = 0.1,
    tags = ["word:{text:hash}", "words:{limit}"]
)]
pub async fn word(
    text: String,
    limit: usize,
    _unused: u8,
) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
    Ok(text.repeat(limit))
}

/// A number.
#[derive(Debug, Clone, Copy)]
pub struct Number(u64);

impl Number {
    /// The number and another one.
    #[cache_result(key = "sum:{self.0}:{other}")]
    pub async fn plus(&self, other: u64) -> u64 {
        self.0 + other
    }
}

/// Forgets a lead.
///
/// # Errors
///
/// Never.
#[invalidate_cache(lead(lead_id), search(..), "lead:{lead_id}:*", length("a"), tags = ["lead:{result}"])]
pub async fn forget(lead_id: u64) -> Result<u64, std::fmt::Error> {
    Ok(lead_id)
}

/// Forgets all.
#[invalidate_cache("lead:*")]
pub async fn forget_all() {}

fn main() {
    drop((lead(1), search("a", 1), length("a"), forget(1), forget_all()));
    drop((Number(1).plus(1), word("a".to_owned(), 2, 0)));
}
