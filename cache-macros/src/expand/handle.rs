//! The handle of a cached function: what has its name and knows its keys.
//!
//! A free function gets an empty type of the same name, which one `use` imports together with the function; a
//! method gets hidden functions beside it. The invariant is that a handle takes the keyed arguments in order of
//! the signature, by reference.

use std::collections::BTreeSet;

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{GenericParam, Type, WherePredicate};

use super::render::{Context, Place, is_string, is_users_reference, self_token};
use super::site::row;
use super::{cfgs, manager};
use crate::model::{Cached, KeyPlan, Namespace, Part, Render, Source};
use crate::signature::{Binding, ungrouped};
use crate::span::mixed;
use crate::template::Filter;

// Input:  async fn get_lead(db: &Db, lead_id: u64) -> Ret { body }
// Output: enum get_lead {}
//         impl get_lead { fn key(lead_id: &u64) -> Key { .. } .. const INFO: &'static FunctionInfo = ..; }
// Input:  async fn get(&self, id: u64) -> Ret { body }
// Output: fn __cache_key_get(id: &u64) -> Key { .. }
//         fn __cache_all_get() -> Target { .. }
pub(crate) fn handle(cached: &Cached, plan: &KeyPlan) -> TokenStream {
    if cached.function.receiver().is_some() {
        of_method(cached, plan)
    } else {
        of_function(cached, plan)
    }
}

fn of_function(cached: &Cached, plan: &KeyPlan) -> TokenStream {
    let span = Span::mixed_site();
    let krate = cached.krate.at(span);
    let private = cached.krate.private(span);
    let visibility = &cached.function.visibility;
    let cfgs: Vec<_> = cfgs(&cached.function).collect();
    let mut name = cached.function.name().clone();
    name.set_span(mixed(name.span()));
    let all = all(cached, plan);
    let row = row(cached, plan);
    let keyed = parameters(cached, plan).map(|parameters| {
        let Parameters {
            generics,
            clause,
            list,
            names,
        } = &parameters;
        let render = context(cached).key(plan);
        let key = quote_spanned! {span=>
            #visibility fn key #generics (#list) -> #krate::Key #clause { #private::key_of(#render) }
        };
        let invalidate = (!manager_needs_arguments(cached)).then(|| {
            let manager = manager(cached.options.manager.get(), &cached.krate);
            quote_spanned! {span=>
                #visibility async fn invalidate #generics (#list) -> #private::bool #clause {
                    let __key = Self::key(#(#names),*);
                    #private::invalidate_key(#manager, __key).await
                }
            }
        });
        quote!(#key #invalidate)
    });
    let allow = allow();
    quote_spanned! {span=>
        #(#cfgs)*
        #[doc(hidden)]
        #allow
        #visibility enum #name {}

        #(#cfgs)*
        #[automatically_derived]
        #allow
        impl #name {
            #keyed

            #visibility const INFO: &'static #private::FunctionInfo = &#row;

            #[doc(hidden)]
            #visibility fn __all() -> #private::Target { #all }
        }
    }
}

fn of_method(cached: &Cached, plan: &KeyPlan) -> TokenStream {
    let span = Span::mixed_site();
    let krate = cached.krate.at(span);
    let private = cached.krate.private(span);
    let visibility = &cached.function.visibility;
    let name = cached.function.plain_name();
    let cfgs: Vec<_> = cfgs(&cached.function).collect();
    let all_name = format_ident!("__cache_all_{name}", span = span);
    let key_name = format_ident!("__cache_key_{name}", span = span);
    let all = all(cached, plan);
    let allow = allow();
    let key = parameters(cached, plan).map(|parameters| {
        let Parameters { generics, clause, list, .. } = &parameters;
        let receiver = cached.function.receiver().filter(|_| plan.uses_receiver()).map(|receiver| {
            let this = self_token(receiver, receiver.self_token.span);
            quote_spanned!(span=> &#this,)
        });
        let render = context(cached).key(plan);
        quote_spanned! {span=>
            #(#cfgs)*
            #[doc(hidden)]
            #allow
            #visibility fn #key_name #generics (#receiver #list) -> #krate::Key #clause { #private::key_of(#render) }
        }
    });
    quote_spanned! {span=>
        #key

        #(#cfgs)*
        #[doc(hidden)]
        #allow
        #visibility fn #all_name() -> #private::Target { #all }
    }
}

/// Generated items are not the user's style.
fn allow() -> TokenStream {
    quote_spanned! {Span::mixed_site()=>
        #[allow(
            unknown_lints, dead_code, missing_debug_implementations, missing_docs, non_camel_case_types, non_snake_case,
            private_bounds, private_interfaces, single_use_lifetimes, unnameable_types, unreachable_pub,
            clippy::all, clippy::pedantic, clippy::nursery
        )]
    }
}

fn context(cached: &Cached) -> Context<'_> {
    Context {
        krate: &cached.krate,
        function: &cached.function,
        bindings: &cached.bindings,
        place: Place::Handle,
    }
}

/// The parameters of `key`.
struct Parameters {
    generics: TokenStream,
    clause: TokenStream,
    list: TokenStream,
    names: Vec<Ident>,
}

/// The keyed arguments by reference; none when the key takes a field of an argument whose type is hidden in a
/// pattern, since such a parameter could not be declared.
fn parameters(cached: &Cached, plan: &KeyPlan) -> Option<Parameters> {
    let mut declared: Vec<TokenStream> = Vec::new();
    let mut names = Vec::new();
    for index in plan.arguments() {
        let binding = cached.bindings.get(index)?;
        let ty = match &binding.ty {
            Some(ty) => by_reference(binding, ty),
            None => hidden_type(cached, plan, index)?,
        };
        let name = &binding.name;
        declared.push(quote_spanned!(Span::mixed_site()=> #name: #ty));
        names.push(name.clone());
    }
    let list = quote_spanned!(Span::mixed_site()=> #(#declared),*);
    let (generics, clause) = generics(cached, &list);
    Some(Parameters {
        generics,
        clause,
        list,
        names,
    })
}

/// `&T` as it is, `String` as `&str`, another `T` as `&T`.
fn by_reference(binding: &Binding, ty: &Type) -> TokenStream {
    let span = Span::mixed_site();
    if is_users_reference(binding) {
        return ungrouped(ty).to_token_stream();
    }
    match ungrouped(ty) {
        ty if is_string(ty) => quote_spanned!(span=> &str),
        Type::ImplTrait(ty) => quote_spanned!(span=> &(#ty)),
        ty => quote_spanned!(span=> &#ty),
    }
}

/// What can be said of an argument that a pattern takes out of a type that the signature does not show.
fn hidden_type(cached: &Cached, plan: &KeyPlan, index: usize) -> Option<TokenStream> {
    let span = Span::mixed_site();
    let krate = cached.krate.at(span);
    match &plan.render {
        Render::QueryHash { .. } => Some(quote_spanned!(span=> &impl #krate::bound::Canonical)),
        Render::Custom { .. } => None,
        Render::Parts(parts) => {
            let mut uses = parts.iter().filter_map(|part| match part {
                Part::Value(value) if value.source == Source::Argument(index) => Some(value),
                _ => None,
            });
            uses.all(|value| value.members.is_empty() && value.filter != Some(Filter::Lower))
                .then(|| quote_spanned!(span=> &impl #krate::CacheKey))
        }
    }
}

/// The generic parameters that the list of parameters mentions, and what is said about them.
fn generics(cached: &Cached, list: &TokenStream) -> (TokenStream, TokenStream) {
    let declared = &cached.function.signature.generics;
    let mut mentioned = BTreeSet::new();
    words(list.clone(), &mut mentioned);
    // A kept parameter's bounds may mention another one.
    loop {
        let before = mentioned.len();
        for parameter in &declared.params {
            if mentioned.contains(&parameter_name(parameter)) {
                words(parameter.to_token_stream(), &mut mentioned);
            }
        }
        if mentioned.len() == before {
            break;
        }
    }
    let (kept, dropped): (Vec<_>, Vec<_>) = declared
        .params
        .iter()
        .partition(|parameter| mentioned.contains(&parameter_name(parameter)));
    if kept.is_empty() {
        return (TokenStream::new(), TokenStream::new());
    }
    let dropped: Vec<String> = dropped.into_iter().map(parameter_name).collect();
    let predicates: Vec<&WherePredicate> = declared
        .where_clause
        .iter()
        .flat_map(|clause| &clause.predicates)
        .filter(|predicate| {
            let mut used = BTreeSet::new();
            words(predicate.to_token_stream(), &mut used);
            dropped.iter().all(|name| !used.contains(name))
        })
        .collect();
    let span = Span::mixed_site();
    let clause = (!predicates.is_empty()).then(|| quote_spanned!(span=> where #(#predicates),*));
    (quote_spanned!(span=> <#(#kept),*>), clause.unwrap_or_default())
}

fn parameter_name(parameter: &GenericParam) -> String {
    match parameter {
        GenericParam::Lifetime(parameter) => parameter.lifetime.ident.to_string(),
        GenericParam::Type(parameter) => parameter.ident.to_string(),
        GenericParam::Const(parameter) => parameter.ident.to_string(),
    }
}

/// All identifiers in tokens, those of lifetimes included.
fn words(tokens: TokenStream, found: &mut BTreeSet<String>) {
    for token in tokens {
        match token {
            TokenTree::Ident(word) => {
                found.insert(word.to_string());
            }
            TokenTree::Group(group) => words(group.stream(), found),
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}

/// Whether `manager` can only be told inside of the function.
fn manager_needs_arguments(cached: &Cached) -> bool {
    let Some(expression) = cached.options.manager.get() else {
        return false;
    };
    let mut used = BTreeSet::new();
    words(expression.to_token_stream(), &mut used);
    used.contains("self")
        || cached
            .bindings
            .iter()
            .any(|binding| used.contains(&binding.name.to_string()))
}

/// All entries of the function, as a target.
fn all(cached: &Cached, plan: &KeyPlan) -> TokenStream {
    let span = Span::mixed_site();
    let private = cached.krate.private(span);
    let name = cached.function.plain_name();
    let text = &plan.text;
    match &plan.namespace {
        Namespace::Text(_) => {
            quote_spanned!(span=> #private::Target::function(#private::path!(#name), #text))
        }
        Namespace::FunctionPath if cached.function.receiver().is_some() => {
            quote_spanned!(span=> #private::Target::method::<Self>(#private::module_path!(), #name, #text))
        }
        Namespace::FunctionPath => {
            quote_spanned!(span=> #private::Target::function_by_path(#private::path!(#name), #text))
        }
    }
}
