//! The body of a function as the future that runs it.
//!
//! The invariant is that the body comes out as it was read, and that rustc says of mistakes in it what it says of them in the
//! function itself; where it cannot be a function any more, in the words that it has for blocks.

use std::collections::BTreeSet;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::visit::{Visit, visit_pat_ident};
use syn::visit_mut::{VisitMut, visit_pat_ident_mut};
use syn::{Expr, FnArg, Pat, PatIdent, Signature, Token, Type};

use super::parameters::{mention_an_argument, turbofish};
use super::{value, words};
use crate::attr::{CachedAttribute, Ttl};
use crate::crate_path::CratePath;
use crate::model::{Cached, CachedPlan, Part, Source};
use crate::signature::{Function, conditions};
use crate::span::mixed;

/// The body of a cached function.
pub(super) fn future_of_cached(cached: &Cached, plan: &CachedPlan) -> TokenStream {
    if stays_a_function(cached) {
        function_of(cached, plan)
    } else {
        future_of(&cached.function, &cached.krate)
    }
}

/// Whether the body can be that of a function beside the look-up: it is no method, whose type is known to the `impl` alone, and
/// its arguments can be passed on.
fn stays_a_function(cached: &Cached) -> bool {
    let function = &cached.function;
    let signature = &function.signature;
    let can_be_passed_on =
        |argument: &FnArg| matches!(argument, FnArg::Typed(argument) if is_an_expression_too(&argument.pat));
    // What is asked of a value is asked after the arguments have moved.
    let options = &cached.options;
    let mut hooks = [options.cache_if.get(), options.ttl_from.get()]
        .into_iter()
        .flatten();
    signature.asyncness.is_some()
        && !matches!(signature.safety, syn::Safety::Unsafe(_))
        && !function.is_associated()
        && cached.attribute != CachedAttribute::Response
        && options.background().is_empty()
        && !value::borrows(cached)
        && signature.inputs.iter().all(can_be_passed_on)
        && !hooks.any(|hook| mention_an_argument(cached, hook))
}

/// Whether what a pattern takes apart is made again by the same words: `id`, `Path((tenant, id))`. Parentheses alone would be
/// superfluous in an expression.
fn is_an_expression_too(pattern: &Pat) -> bool {
    match pattern {
        Pat::Ident(pattern) => pattern.by_ref.is_none() && pattern.subpat.is_none(),
        Pat::Tuple(tuple) => tuple.elems.iter().all(is_an_expression_too),
        Pat::TupleStruct(tuple) => tuple.elems.iter().all(is_an_expression_too),
        _ => false,
    }
}

// Input:  async fn get_lead(State(db): State<Db>, mut lead_id: u64) -> Ret { body }
// Output: { async fn __fn(State(db): State<Db>, mut lead_id: u64) -> Ret { body } __fn(State(db), lead_id) }
fn function_of(cached: &Cached, plan: &CachedPlan) -> TokenStream {
    let span = Span::mixed_site();
    let function = &cached.function;
    let used = used_by_the_attribute(cached, plan);
    let mut signature = function.signature.clone();
    let name = format_ident!("__fn", span = mixed(function.name().span()));
    signature.ident = name.clone();
    let passed = immutable(signature.clone())
        .inputs
        .into_iter()
        .filter_map(|argument| match argument {
            FnArg::Typed(argument) => {
                let cfgs: Vec<_> = conditions(&argument.attrs).collect();
                let value = &argument.pat;
                Some(quote_spanned!(span=> #(#cfgs)* #value))
            }
            FnArg::Receiver(_) => None,
        });
    let passed: Vec<TokenStream> = passed.collect();
    for argument in &mut signature.inputs {
        if let FnArg::Typed(argument) = argument {
            let mut names = BTreeSet::new();
            words(argument.pat.to_token_stream(), &mut names);
            if !names.is_disjoint(&used) {
                argument.attrs.push(syn::parse_quote!(#[allow(unused_variables)]));
            }
        }
    }
    let turbofish = turbofish(function);
    let body = &function.body;
    quote_spanned! {span=>
        {
            #[allow(
                unknown_lints, clippy::items_after_statements, clippy::needless_pass_by_value, clippy::too_many_arguments,
                clippy::unused_async
            )]
            #signature #body
            #name #turbofish (#(#passed),*)
        }
    }
}

/// The arguments that the attribute takes, so that they are used, whatever the body does.
fn used_by_the_attribute(cached: &Cached, plan: &CachedPlan) -> BTreeSet<String> {
    let options = &cached.options;
    let mut used = BTreeSet::new();
    let mut take = |expression: Option<&Expr>| {
        if let Some(expression) = expression {
            words(quote!(#expression), &mut used);
        }
    };
    take(options.bypass.get());
    take(options.refresh.get());
    take(options.manager.get());
    take(options.key_fn.get());
    if let Some(Ttl::Expression(ttl)) = options.ttl.get() {
        take(Some(ttl));
    }
    used.extend(options.popular.get().map(ToString::to_string));
    let in_tags = plan.tags.iter().flatten().filter_map(|part| match part {
        Part::Value(value) => match value.source {
            Source::Argument(index) => Some(index),
            Source::Receiver | Source::Generic(_) | Source::Result => None,
        },
        Part::Literal(_) => None,
    });
    let indices = plan.key.arguments().into_iter().chain(in_tags);
    let bindings = indices.filter_map(|index| cached.bindings.get(index));
    used.extend(bindings.map(|binding| binding.name.to_string()));
    used
}

/// Input: `{ body }`
/// Output: `async move { return edge; let id = id; { body } }`, in which rustc says of the body what it says of the function itself: the early
/// `return` tells it the type before it looks at the body, and the arguments are variables of the block, as they are in what rustc makes of an `async fn`.
/// A body that makes a boxed future is `(move || -> Pin<Box<..>> { body })()`.
pub(super) fn future_of(function: &Function, krate: &CratePath) -> TokenStream {
    future_with(function, krate, &function.return_type())
}

/// The same, where the type is not the written one.
pub(super) fn future_with(function: &Function, krate: &CratePath, ret: &Type) -> TokenStream {
    let body = &function.body;
    let span = mixed(function.return_span());
    if function.is_boxed() {
        return boxed(function, span);
    }
    // With the user's own span: rustc quotes this place as where the return type was learnt.
    let edge = return_edge(krate, ret, function.return_span());
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
pub(super) fn immutable(mut signature: Signature) -> Signature {
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

/// Where a type is learnt is told at the `return`, so nothing of ours is in that.
// Output: if false { let ret: Ret = never(); return ret; }
pub(super) fn return_edge(krate: &CratePath, ret: &Type, span: Span) -> TokenStream {
    let private = krate.private(span);
    quote_spanned! {span=>
        #[allow(unknown_lints, clippy::let_unit_value, clippy::let_with_type_underscore)]
        if false {
            let __ret: #ret = #private::never();
            return __ret;
        }
    }
}
