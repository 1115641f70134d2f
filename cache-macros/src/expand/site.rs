//! The static of a cached function: what the options say once and for all.
//!
//! Not what depends on the arguments. The invariant is that it is a constant expression.

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote_spanned;

use crate::attr::{CachedAttribute, CachedOptions, Fixed, Slot, Tier, Ttl};
use crate::model::Cached;

// Input:  ttl = "30m", jitter = 0.1
// Output: Site::new("..::get_lead", "lead:{lead_id}").ttl_millis(1800000).jitter_millionths(100000)
pub(super) fn site(cached: &Cached, template: &str) -> TokenStream {
    let span = Span::mixed_site();
    let private = cached.krate.private(span);
    let name = cached.function.plain_name();
    let new = quote_spanned!(span=> new(#private::path!(#name), #template));
    let CachedOptions {
        ttl,
        none_ttl,
        version,
        tier,
        stale_if_error,
        stale_while_revalidate,
        refresh_ahead,
        soft_timeout,
        hard_timeout,
        jitter,
        ..
    } = &cached.options;
    let setter = |name: &str, value: TokenStream| {
        let name = Ident::new(name, span);
        quote_spanned!(span=> .#name(#value))
    };
    let duration = |name: &str, slot: &Slot<Fixed>| {
        slot.get()
            .map(|Fixed { millis, .. }| setter(name, quote_spanned!(span=> #millis)))
    };
    let part = |name: &str, slot: &Slot<u32>| {
        slot.get()
            .map(|millionths| setter(name, quote_spanned!(span=> #millionths)))
    };
    let ttl = match ttl.get() {
        Some(Ttl::Millis(millis)) => Some(quote_spanned!(span=> .ttl_millis(#millis))),
        Some(Ttl::Expression(_)) | None => None,
    };
    let none_ttl = duration("none_ttl_millis", none_ttl);
    let stale = [
        duration("stale_if_error_millis", stale_if_error),
        duration("stale_while_revalidate_millis", stale_while_revalidate),
        part("refresh_ahead_millionths", refresh_ahead),
        duration("soft_timeout_millis", soft_timeout),
        duration("hard_timeout_millis", hard_timeout),
        part("jitter_millionths", jitter),
    ];
    let stale = stale.iter().flatten();
    let version = version
        .get()
        .map(|version| quote_spanned!(span=> .version(#version)));
    let tier = match tier.get() {
        Some(Tier::Memory) => Some(quote_spanned!(span=> .memory_only())),
        Some(Tier::Redis) => Some(quote_spanned!(span=> .redis_only())),
        Some(Tier::Both) | None => None,
    };
    let capped = (cached.attribute == CachedAttribute::SearchResults)
        .then(|| quote_spanned!(span=> .max_items_from_env()));
    quote_spanned!(span=> #private::Site::#new #ttl #none_ttl #version #tier #capped #(#stale)*)
}
