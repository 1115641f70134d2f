//! The invalidating function: its targets around its body.
//!
//! Targets on arguments are told before the body, which may move them; those on the result after it. The
//! invariant is that nothing is dropped unless the body has succeeded, which `settle` decides.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote_spanned};
use syn::{Expr, ExprPath, PathArguments};

use super::body::future_of;
use super::handle::hidden_name;
use super::render::{Context, Place, result_name};
use super::site::{row_of_invalidator, site};
use super::{manager, reference, with_body};
use crate::attr::MethodOwner;
use crate::model::{Invalidator, TargetKind, TargetPlan};
use crate::span::mixed;

// Input:  async fn update_lead(lead_id: u64) -> Ret { body }
// Output: async fn update_lead(lead_id: u64) -> Ret {
//             let mut targets = Targets::of({ static SITE: Site = Site::new(..); register!(SITE); &SITE }, ..);
//             targets.key(get_lead::key(&lead_id));
//             let ret: Ret = async move { body }.await;
//             settle(.., &ret, targets).await;
//             ret
//         }
pub(crate) fn invalidator(invalidator: &Invalidator, targets: &[TargetPlan]) -> TokenStream {
    let span = Span::mixed_site();
    let private = invalidator.krate.private(span);
    let function = &invalidator.function;
    let ret = function.return_type();
    let manager = manager(invalidator.options.manager.get(), &invalidator.krate);
    let future = future_of(function, &invalidator.krate);
    let before = targets
        .iter()
        .filter(|target| !target.needs_result)
        .map(|plan| target(invalidator, plan));
    let after: Vec<_> = targets
        .iter()
        .filter(|target| target.needs_result)
        .map(|plan| target(invalidator, plan))
        .collect();
    let after = (!after.is_empty()).then(|| {
        let result = result_name(span);
        quote_spanned! {span=>
            if let #private::Some(#result) = #private::view(__shape, &__ret) {
                #(#after)*
            }
        }
    });
    // In a block of its own: an item beside the targets would take from rustc's messages about them what it knows of
    // similar names.
    let site = site(&invalidator.krate, &row_of_invalidator(invalidator, targets));
    let site = quote_spanned! {span=>
        { #site &__SITE }
    };
    let body = quote_spanned! {span=>
        let mut __targets = #private::Targets::of(#site, #manager);
        #(#before)*
        #[allow(clippy::let_unit_value)]
        let __ret: #ret = #future.await;
        let __shape = #private::shape!(#ret);
        #after
        #private::settle(__shape, &__ret, __targets).await;
        #[allow(clippy::unit_arg)]
        __ret
    };
    with_body(function, &invalidator.krate, body)
}

pub(super) fn target(invalidator: &Invalidator, plan: &TargetPlan) -> TokenStream {
    let span = Span::mixed_site();
    let context = Context {
        krate: &invalidator.krate,
        function: &invalidator.function,
        bindings: &invalidator.bindings,
        place: Place::Function,
    };
    match &plan.kind {
        TargetKind::Function { path, arguments } => {
            let key = call_of_handle(path, "key", arguments);
            quote_spanned!(span=> __targets.key(#key);)
        }
        TargetKind::WholeFunction { path } => {
            let all = call_of_handle(path, "__target", &[]);
            quote_spanned!(span=> __targets.all(#all);)
        }
        TargetKind::Method {
            owner,
            name,
            turbofish,
            arguments,
        } => {
            let hidden = hidden_name("key", name, name.span());
            let references = arguments.iter().map(reference);
            let at = mixed(name.span());
            let turbofish = turbofish.as_ref();
            match owner {
                MethodOwner::Type(owner) => {
                    let krate = invalidator.krate.at(at);
                    let uncached = turbofish
                        .is_none()
                        .then(|| uncached(invalidator, &hidden, arguments.len()));
                    let turbofish = turbofish.map(with_colons);
                    let key = quote_spanned!(at=> #owner::#hidden #turbofish(#(#references),*));
                    let key = quote_spanned!(at=> #krate::bound::Cached::cached(#key));
                    quote_spanned!(span=> { #uncached __targets.key(#key); })
                }
                // Named by its type, the method can be told from one that is not cached.
                MethodOwner::Value(value) if turbofish.is_none() && is_self(value) => {
                    let krate = invalidator.krate.at(at);
                    let uncached = uncached(invalidator, &hidden, arguments.len() + 1);
                    let key = quote_spanned!(at=> Self::#hidden(&#value #(, #references)*));
                    let key = quote_spanned!(at=> #krate::bound::Cached::cached(#key));
                    quote_spanned!(span=> { #uncached __targets.key(#key); })
                }
                MethodOwner::Value(value) => {
                    let key = quote_spanned!(at=> #value.#hidden #turbofish(#(#references),*));
                    quote_spanned!(span=> __targets.key(#key);)
                }
            }
        }
        TargetKind::WholeMethod { owner, name } => {
            let hidden = hidden_name("target", name, name.span());
            let at = mixed(name.span());
            let krate = invalidator.krate.at(at);
            let uncached = uncached(invalidator, &hidden, 0);
            let all = quote_spanned!(at=> #krate::bound::Cached::cached(#owner::#hidden()));
            quote_spanned!(span=> { #uncached __targets.all(#all); })
        }
        TargetKind::Key(parts) => {
            let render = context.target(parts);
            quote_spanned!(span=> __targets.raw_key(#render);)
        }
        TargetKind::Pattern(parts) => {
            let render = context.target(parts);
            quote_spanned!(span=> __targets.pattern(#render);)
        }
        TargetKind::Tag(parts) => {
            let render = context.target(parts);
            quote_spanned!(span=> __targets.tag(#render);)
        }
    }
}

pub(super) fn is_self(value: &Expr) -> bool {
    matches!(value, Expr::Path(path) if path.path.is_ident("self"))
}

/// What a hidden function is where the method is not cached: it gives way to the type's own function, and keeps a
/// name that the user has never seen out of rustc's messages.
// Input:  `__cache_key_get`, 1
// Output: trait __Uncached { fn __cache_key_get<__A0>(_: __A0) -> Uncached { Uncached } }
//         impl<__T: ?Sized> __Uncached for __T {}
pub(super) fn uncached(invalidator: &Invalidator, hidden: &Ident, arguments: usize) -> TokenStream {
    let span = Span::mixed_site();
    let krate = invalidator.krate.at(span);
    let private = invalidator.krate.private(span);
    let types: Vec<_> = (0..arguments)
        .map(|index| format_ident!("__A{index}", span = span))
        .collect();
    quote_spanned! {span=>
        #[allow(unknown_lints, dead_code, clippy::items_after_statements)]
        trait __Uncached {
            fn #hidden<#(#types),*>(#(_: #types),*) -> #krate::bound::Uncached {
                #krate::bound::Uncached
            }
        }
        impl<__T: ?#private::Sized> __Uncached for __T {}
    }
}

/// Input: `leads::get_lead::<T>`, `key`, `lead_id`
/// Output: `leads::get_lead::key::<T>(&lead_id)`
pub(super) fn call_of_handle(path: &ExprPath, name: &str, arguments: &[Expr]) -> TokenStream {
    let (handle, turbofish, at) = handle_of(path);
    let name = Ident::new(name, at);
    let turbofish = turbofish
        .filter(|arguments| !arguments.is_none())
        .map(|arguments| with_colons(&quote::ToTokens::into_token_stream(arguments)));
    let references = arguments.iter().map(reference);
    quote_spanned!(at=> #handle::#name #turbofish(#(#references),*))
}

/// Input: `leads::get_lead::<T>`
/// Output: `leads::get_lead::INFO`
pub(super) fn info_of_handle(path: &ExprPath) -> TokenStream {
    let (handle, _, at) = handle_of(path);
    let name = Ident::new("INFO", at);
    quote_spanned!(at=> #handle::#name)
}

/// The path of a function's handle, the generic arguments of the function, and where its name stands.
fn handle_of(path: &ExprPath) -> (ExprPath, Option<PathArguments>, Span) {
    let mut handle = path.clone();
    let last = handle.path.segments.last_mut();
    let at = last
        .as_ref()
        .map_or_else(Span::call_site, |segment| segment.ident.span());
    let turbofish = last.map(|segment| std::mem::replace(&mut segment.arguments, PathArguments::None));
    (handle, turbofish, mixed(at))
}

/// `<T>` or `::<T>` as `::<T>`.
pub(super) fn with_colons(turbofish: &TokenStream) -> TokenStream {
    let has_colons = turbofish
        .clone()
        .into_iter()
        .next()
        .is_some_and(|token| token.to_string() == ":");
    if has_colons {
        turbofish.clone()
    } else {
        quote_spanned!(Span::mixed_site()=> ::#turbofish)
    }
}
