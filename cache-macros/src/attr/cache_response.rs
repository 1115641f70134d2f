//! `#[cache_response]`: whole responses of axum handlers.
//!
//! Only which options it takes. The invariant is that those about values that a response does not have are not among
//! them: it is never `None`.

use super::Grammar;

pub(super) const GRAMMAR: Grammar = Grammar {
    name: "cache_response",
    options: &[
        "key",
        "key_type",
        "key_fn",
        "skip",
        "ttl",
        "max_response_bytes",
        "stale_if_error",
        "stale_while_revalidate",
        "refresh_ahead",
        "soft_timeout",
        "hard_timeout",
        "jitter",
        "cache_if",
        "ttl_from",
        "tags",
        "bypass",
        "refresh",
        "tier",
        "manager",
        "version",
        "crate",
    ],
    takes_bare: true,
};
