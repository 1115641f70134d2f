//! The steps of an attribute in order: parse, check, expand.
//!
//! Plain token streams in and out, so that tests need no compiler. The invariant is that the function comes out
//! whatever was wrong, without the attribute if anything was, so that editors and callers keep it.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};

use crate::attr::{self, CachedAttribute};
use crate::crate_path::CratePath;
use crate::errors::Errors;
use crate::model::{Cached, Invalidator};
use crate::signature::Function;
use crate::{check, expand};

/// Expands an attribute that caches.
pub(crate) fn cached(attribute: CachedAttribute, options: TokenStream, item: &TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let function = match Function::parse(item.clone(), attribute.name()) {
        Ok(function) => function,
        Err(error) => return with_item(&error, item),
    };
    let options = attr::parse_cached(attribute, options, &mut errors);
    let krate = CratePath::new(options.krate.get());
    let bindings = function.bindings();
    let cached = Cached {
        attribute,
        options,
        function,
        bindings,
        krate,
    };
    let plan = check::cached(&cached, &mut errors);
    match plan {
        Some(plan) if errors.is_empty() => {
            let handle = expand::handle(&cached, &plan);
            let function = expand::cached_fn(&cached, &plan);
            quote!(#function #handle)
        }
        plan => {
            let handle = plan.map(|plan| expand::handle(&cached, &plan));
            let errors = errors.into_compile_errors();
            let function = &cached.function;
            quote!(#function #handle #errors)
        }
    }
}

/// Expands `#[invalidate_cache]`.
pub(crate) fn invalidator(options: TokenStream, item: &TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let function = match Function::parse(item.clone(), "invalidate_cache") {
        Ok(function) => function,
        Err(error) => return with_item(&error, item),
    };
    let options = attr::parse_invalidate(options, &mut errors);
    let krate = CratePath::new(options.krate.get());
    let bindings = function.bindings();
    let invalidator = Invalidator {
        options,
        function,
        bindings,
        krate,
    };
    let targets = check::invalidator(&invalidator, &mut errors);
    if errors.is_empty() {
        return expand::invalidator(&invalidator, &targets);
    }
    let mut tokens = invalidator.function.into_token_stream();
    tokens.extend(errors.into_compile_errors());
    tokens
}

/// The item as it was, and what is wrong with it.
fn with_item(error: &syn::Error, item: &TokenStream) -> TokenStream {
    let error = error.to_compile_error();
    quote!(#item #error)
}
