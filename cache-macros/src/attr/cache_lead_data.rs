//! `#[cache_lead_data]`: what is known of one lead, under `lead:{lead_id}`.
//!
//! Only which options it takes. The invariant is that none of them changes the form of the key, so that every
//! function with this attribute can be invalidated as `lead:{lead_id}`.

use super::Grammar;

pub(super) const GRAMMAR: Grammar = Grammar {
    name: "cache_lead_data",
    options: &[
        "id",
        "skip",
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
    takes_bare: false,
};
