//! From plans to tokens.
//!
//! Nothing is judged here. The invariant is that generated code names nothing of the standard library, and
//! nothing of `cache_core` but `Key`, `CacheKey`, `KeyWriter`, `bound` and `__private`, so that user code may shadow
//! any name.

mod body;
mod cached_fn;
mod each;
mod handle;
mod invalidator;
mod key_part;
mod macros;
mod parameters;
mod render;
mod response;
mod site;
mod value;

use proc_macro2::{Group, Span, TokenStream, TokenTree};
use quote::quote_spanned;
use syn::Expr;

pub(crate) use cached_fn::cached_fn;
pub(crate) use handle::{Extent, handle};
pub(crate) use invalidator::invalidator;
pub(crate) use key_part::key_part;
pub(crate) use macros::{entry, invalidate, key};
pub(crate) use parameters::{parameter_name, words};

use body::immutable;

use crate::crate_path::CratePath;
use crate::signature::{Function, conditions};
use crate::span::{first, mixed};

/// The function with another body; attributes, visibility and signature stay as they are.
fn with_body(function: &Function, krate: &CratePath, body: TokenStream) -> TokenStream {
    let Function {
        attributes,
        visibility,
        signature,
        body: original,
        ..
    } = function;
    let (signature, body) = if function.is_boxed() {
        let private = krate.private(Span::mixed_site());
        let body = quote_spanned!(Span::mixed_site()=> #private::Box::pin(async move { #body }));
        (signature.clone(), body)
    } else {
        (immutable(signature.clone()), body)
    };
    let mut block = Group::new(proc_macro2::Delimiter::Brace, body);
    block.set_span(original.span());
    let block = TokenTree::Group(block);
    quote_spanned!(Span::mixed_site()=> #(#attributes)* #visibility #signature #block)
}

/// `None`, or `Some` of the manager that the option `manager` names.
fn manager(expression: Option<&Expr>, krate: &CratePath) -> TokenStream {
    match expression {
        None => {
            let private = krate.private(Span::mixed_site());
            quote_spanned!(Span::mixed_site()=> #private::None)
        }
        Some(expression) => {
            let span = mixed(first(expression));
            let path = krate.at(span);
            let private = krate.private(span);
            let reference = reference(expression);
            quote_spanned!(span=> #private::Some(#path::bound::Manager::manager(#reference)))
        }
    }
}

/// `&expression`, with parentheses where they are needed.
fn reference(expression: &Expr) -> TokenStream {
    let span = mixed(first(expression));
    match expression {
        // One more reference would keep an array from becoming a slice.
        Expr::Reference(reference) if reference.mutability.is_none() => quote_spanned!(span=> #expression),
        Expr::Path(_)
        | Expr::Lit(_)
        | Expr::Field(_)
        | Expr::MethodCall(_)
        | Expr::Call(_)
        | Expr::Reference(_)
        | Expr::Index(_)
        | Expr::Macro(_)
        | Expr::Paren(_)
        | Expr::Tuple(_)
        | Expr::Array(_)
        | Expr::Unary(_) => {
            quote_spanned!(span=> &#expression)
        }
        _ => quote_spanned!(span=> &(#expression)),
    }
}

/// A closure in an option is called in a way that its writer does not see, so advice on how to pass it is noise.
fn allow_closures() -> TokenStream {
    quote_spanned! {Span::mixed_site()=>
        #[allow(unknown_lints, clippy::redundant_closure, clippy::redundant_closure_for_method_calls, clippy::redundant_closure_call)]
    }
}

/// The attributes that companions of a function share with it.
fn cfgs(function: &Function) -> impl Iterator<Item = &syn::Attribute> {
    conditions(&function.attributes)
}
