//! What the options of an attribute say once and for all: the row of a function in the catalogue, and the static that
//! holds it.
//!
//! Not what depends on the arguments. The invariant is that a row is a constant expression that names no type parameter.

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote_spanned;
use syn::ext::IdentExt;

use super::invalidator::info_of_handle;
use crate::attr::{CachedAttribute, CachedOptions, Fixed, Slot, Tier, Ttl};
use crate::crate_path::CratePath;
use crate::model::{Cached, Invalidator, KeyPlan, Namespace, Render, TargetKind, TargetPlan};
use crate::words::words;

/// Input:  a row
/// Output: `static __SITE: Site = Site::new(row);` and its place in the catalogue
pub(super) fn site(krate: &CratePath, row: &TokenStream) -> TokenStream {
    let span = Span::mixed_site();
    let private = krate.private(span);
    quote_spanned! {span=>
        static __SITE: #private::Site = #private::Site::new(#row);
        #private::register!(__SITE);
    }
}

// Input:  #[cache_result(key = "lead:{id}", ttl = "30m")] async fn get_lead(id: u64) -> Option<Lead>
// Output: FunctionInfo::cached("..::get_lead", "lead:{id}", "Lead").ttl_millis(1800000)
pub(super) fn row(cached: &Cached, plan: &KeyPlan) -> TokenStream {
    let span = Span::mixed_site();
    let private = cached.krate.private(span);
    let name = cached.function.plain_name();
    let template = &plan.text;
    let value = cached.value_type().map(words).unwrap_or_default();
    let of_form = match plan.namespace {
        Namespace::Text(_) => Ident::new("cached", span),
        Namespace::FunctionPath => Ident::new("by_path", span),
    };
    let new = quote_spanned!(span=> #of_form(#private::path!(#name), #template, #value));
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
        tags,
        ttl_from,
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
    let set = |name: &str| setter(name, TokenStream::new());
    let (fixed, expression) = match ttl.get() {
        Some(Ttl::Millis(millis)) => (Some(setter("ttl_millis", quote_spanned!(span=> #millis))), false),
        Some(Ttl::Expression(_)) => (None, true),
        None => (None, false),
    };
    let computed = (expression || ttl_from.get().is_some()).then(|| set("ttl_computed"));
    let method = cached.function.is_associated().then(|| set("method"));
    let digest = matches!(plan.render, Render::QueryHash { .. }).then(|| set("by_digest"));
    let tags = tags.get().map(|tags| {
        let tags = tags.iter().map(syn::LitStr::value);
        setter("tagged", quote_spanned!(span=> &[#(#tags),*]))
    });
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
        .map(|version| setter("versioned", quote_spanned!(span=> #version)));
    let tier = match tier.get() {
        Some(Tier::Memory) => Some(set("memory_only")),
        Some(Tier::Redis) => Some(set("redis_only")),
        Some(Tier::Both) | None => None,
    };
    let each = cached.each.as_ref().zip(cached.element()).map(|(each, element)| {
        let text = format!("{} in {}", element.plain_name(), each.argument.plain_name());
        setter("for_each", quote_spanned!(span=> #text))
    });
    let capped = (cached.attribute == CachedAttribute::SearchResults).then(|| set("max_items_from_env"));
    quote_spanned! {span=>
        #private::FunctionInfo::#new #method #digest #each #fixed #computed #none_ttl #version #tier #capped #(#stale)* #tags
    }
}

// Input:  #[invalidate_cache(get_lead(id), "campaign:{id}:*")] async fn update_lead(id: u64)
// Output: FunctionInfo::invalidator("..::update_lead", &[
//             TargetInfo::of_function("get_lead(id)", get_lead::INFO),
//             TargetInfo::ByPattern("campaign:{id}:*"),
//         ])
// What stands in a body is called `invalidate!`, since the name of the function around it is not known.
pub(super) fn row_of_invalidator(invalidator: &Invalidator, targets: &[TargetPlan]) -> TokenStream {
    let span = Span::mixed_site();
    let private = invalidator.krate.private(span);
    let name = if invalidator.is_local {
        invalidator.name.to_owned()
    } else {
        invalidator.function.plain_name()
    };
    let targets = targets.iter().map(|TargetPlan { kind, text, .. }| {
        let of_text = |form: &str| {
            let form = Ident::new(form, span);
            quote_spanned!(span=> #private::TargetInfo::#form(#text))
        };
        match kind {
            TargetKind::Function { path, .. } | TargetKind::WholeFunction { path } => {
                let function = info_of_handle(path);
                quote_spanned!(span=> #private::TargetInfo::of_function(#text, #function))
            }
            TargetKind::Method { name, .. } | TargetKind::WholeMethod { name, .. } => {
                let name = name.unraw().to_string();
                quote_spanned!(span=> #private::TargetInfo::OfMethod { written: #text, name: #name })
            }
            TargetKind::Key(_) => of_text("ByKey"),
            TargetKind::Pattern(_) => of_text("ByPattern"),
            TargetKind::Tag(_) => of_text("ByTag"),
        }
    });
    quote_spanned!(span=> #private::FunctionInfo::invalidator(#private::path!(#name), &[#(#targets),*]))
}
