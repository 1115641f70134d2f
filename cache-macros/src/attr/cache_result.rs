//! `#[cache_result]`: any function, any key.
//!
//! Only which options it takes. The invariant is that the options in the list are those that `CachedOptions`
//! reads.

use super::Grammar;

pub(super) const GRAMMAR: Grammar = Grammar {
    name: "cache_result",
    options: &[
        "key",
        "key_type",
        "key_fn",
        "skip",
        "each",
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
