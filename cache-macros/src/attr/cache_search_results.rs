//! `#[cache_search_results]`: a search, keyed by the hash of its arguments.
//!
//! Only which options it takes. The invariant is that it takes what `#[cache_result]` takes, and `popular`.

use super::Grammar;

pub(super) const GRAMMAR: Grammar = Grammar {
    name: "cache_search_results",
    options: &[
        "key",
        "key_type",
        "key_fn",
        "skip",
        "popular",
        "ttl",
        "stale_if_error",
        "stale_while_revalidate",
        "refresh_ahead",
        "soft_timeout",
        "hard_timeout",
        "jitter",
        "none_ttl",
        "cache_if",
        "ttl_from",
        "tags",
        "bypass",
        "refresh",
        "tier",
        "manager",
        "version",
        "handle",
        "crate",
    ],
    takes_bare: true,
};
