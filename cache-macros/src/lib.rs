//! The attributes of `cache-core`.
//!
//! Depend on `cache-core`, which re-exports them; this crate is of no use alone.

mod attr;
mod check;
mod crate_path;
mod duration;
mod entry;
mod errors;
mod expand;
mod model;
mod signature;
mod span;
mod suggest;
mod template;

use proc_macro::TokenStream;

use crate::attr::CachedAttribute;

/// x
#[proc_macro_attribute]
pub fn cache_result(options: TokenStream, item: TokenStream) -> TokenStream {
    entry::cached(CachedAttribute::Result, options.into(), &item.into()).into()
}

/// x
#[proc_macro_attribute]
pub fn cache_search_results(options: TokenStream, item: TokenStream) -> TokenStream {
    entry::cached(CachedAttribute::SearchResults, options.into(), &item.into()).into()
}

/// x
#[proc_macro_attribute]
pub fn cache_lead_data(options: TokenStream, item: TokenStream) -> TokenStream {
    entry::cached(CachedAttribute::LeadData, options.into(), &item.into()).into()
}

/// x
#[proc_macro_attribute]
pub fn invalidate_cache(options: TokenStream, item: TokenStream) -> TokenStream {
    entry::invalidator(options.into(), &item.into()).into()
}
