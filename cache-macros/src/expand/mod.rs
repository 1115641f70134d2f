//! From plans to tokens.
//!
//! Nothing is judged here. The invariant is that generated code names nothing of the standard library, and
//! nothing of `cache_core` but `Key`, `CacheKey`, `KeyWriter`, `bound` and `__private`, so that user code may shadow
//! any name.

mod cached_fn;
mod handle;
mod invalidator;
mod key_part;
mod macros;
mod parameters;
mod render;
mod response;
mod site;
mod value;

use std::collections::BTreeSet;

use proc_macro2::{Group, Ident, Span, TokenStream, TokenTree};
use quote::{quote, quote_spanned};
use syn::visit::{Visit, visit_pat_ident};
use syn::visit_mut::{VisitMut, visit_pat_ident_mut};
use syn::{Expr, PatIdent, Signature, Token, Type};

pub(crate) use cached_fn::cached_fn;
pub(crate) use handle::{Extent, handle};
pub(crate) use invalidator::invalidator;
pub(crate) use key_part::key_part;
pub(crate) use macros::{entry, invalidate, key};
pub(crate) use parameters::{parameter_name, words};

use crate::crate_path::CratePath;
use crate::signature::{Function, conditions};
use crate::span::{first, mixed};

/// Input: `{ body }`
/// Output: `async move { return edge; let id = id; { body } }`, in which rustc says of the body what it says of the function itself: the early
/// `return` tells it the type before it looks at the body, and the arguments are variables of the block, as they are in what rustc makes of an `async fn`.
/// A body that makes a boxed future is `(move || -> Pin<Box<..>> { body })()`.
fn future_of(function: &Function) -> TokenStream {
    future_with(function, &function.return_type())
}

/// The same, where the type is not the written one.
fn future_with(function: &Function, ret: &Type) -> TokenStream {
    let body = &function.body;
    let span = mixed(function.return_span());
    if function.is_boxed() {
        return boxed(function, span);
    }
    // With the user's own span: rustc quotes this place as where the return type was learnt.
    let edge = return_edge(ret, function.return_span());
    let arguments = arguments_of(function);
    quote_spanned! {span=>
        async move {
            #edge
            #arguments
            #[allow(unused_braces, clippy::semicolon_if_nothing_returned)]
            #body
        }
    }
}

/// The body of a function that makes a boxed future, called where it stands, since it may `return` one early.
fn boxed(function: &Function, span: Span) -> TokenStream {
    let body = &function.body;
    let output = &function.signature.output;
    quote_spanned! {span=>
        {
            #[allow(unknown_lints, clippy::redundant_closure_call)]
            (move || #output #body)()
        }
    }
}

/// The arguments that the body mentions, as variables of their own. Of what a block has captured rustc tells neither the
/// name nor where it comes from.
// Input:  mut id: String, Path(number): Path<u64>
// Output: let mut id = id; let number = number;
fn arguments_of(function: &Function) -> TokenStream {
    let mut mentioned = BTreeSet::new();
    words(function.body.clone().into(), &mut mentioned);
    let mutable = mutable_names(&function.signature);
    let bindings = function.bindings();
    let variables = bindings.iter().filter_map(|binding| {
        let name = &binding.name;
        let mutability = mutable
            .iter()
            .find(|(found, _)| found == name)
            .map(|(_, token)| token);
        if mutability.is_none() && !mentioned.contains(&name.to_string()) {
            return None;
        }
        let cfgs = &binding.cfgs;
        // What the attribute takes is used, whatever the body does.
        Some(quote_spanned! {mixed(name.span())=>
            #(#cfgs)*
            #[allow(unused_variables)]
            let #mutability #name = #name;
        })
    });
    quote!(#(#variables)*)
}

/// The arguments that are declared as `mut`, with that word.
fn mutable_names(signature: &Signature) -> Vec<(Ident, Token![mut])> {
    struct Find(Vec<(Ident, Token![mut])>);
    impl<'a> Visit<'a> for Find {
        fn visit_pat_ident(&mut self, pattern: &'a PatIdent) {
            if let (None, Some(token)) = (&pattern.by_ref, pattern.mutability) {
                self.0.push((pattern.ident.clone(), token));
            }
            visit_pat_ident(self, pattern);
        }
    }
    let mut find = Find(Vec::new());
    find.visit_signature(signature);
    find.0
}

/// The signature without the `mut` of the arguments, which the variables have that the body sees.
fn immutable(mut signature: Signature) -> Signature {
    struct Remove;
    impl VisitMut for Remove {
        fn visit_pat_ident_mut(&mut self, pattern: &mut PatIdent) {
            if pattern.by_ref.is_none() {
                pattern.mutability = None;
            }
            visit_pat_ident_mut(self, pattern);
        }
    }
    Remove.visit_signature_mut(&mut signature);
    signature
}

fn return_edge(ret: &Type, span: Span) -> TokenStream {
    quote_spanned! {span=>
        #[allow(
            unknown_lints, unreachable_code, clippy::diverging_sub_expression, clippy::empty_loop,
            clippy::let_unit_value, clippy::let_with_type_underscore, clippy::needless_return, clippy::unreachable
        )]
        if false {
            let __ret: #ret = loop {};
            return __ret;
        }
    }
}

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
