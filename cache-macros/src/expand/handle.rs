//! The handle of a cached function: what has its name and knows its entries.
//!
//! A free function gets an empty type of the same name, which one `use` imports together with the function; a
//! function of a type gets hidden functions beside it. All that is done with an entry is done in `cache_core`. The
//! invariant is that the static of a function stands in its handle, and nowhere else.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt;

use super::cached_fn::{asked_of_value, shape, stored};
use super::parameters::{Parameters, mention_an_argument, own, own_name, turbofish};
use super::render::{Context, Place, self_token};
use super::site::{row, site};
use super::{allow_closures, cfgs, each, manager, response, value};
use crate::attr::{CachedAttribute, Ttl};
use crate::model::{Cached, CachedPlan, KeyPlan, Part, Source};
use crate::span::{first, mixed};

/// How much of a handle can be told.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Extent {
    /// What names entries: the function itself is refused.
    Names,
    /// All of it.
    Whole,
}

// Input:  async fn get_lead(db: &Db, lead_id: u64) -> Ret { body }
// Output: enum get_lead {}
//         impl get_lead { pub fn key(lead_id: &u64) -> Key { .. } .. pub const INFO: &FunctionInfo = ..; }
// The type is as visible as the function; were its items that themselves, each would be refused besides the type.
// Input:  async fn get(&self, id: u64) -> Ret { body }
// Output: fn __cache_key_get(id: &u64) -> Key { .. }
//         fn __cache_entry_get(id: &u64) -> Place<Ret> { .. }
//         fn __cache_target_get() -> Target { .. }
pub(crate) fn handle(cached: &Cached, plan: &CachedPlan, extent: Extent) -> TokenStream {
    if cached.function.is_associated() {
        of_method(cached, plan, extent)
    } else {
        of_function(cached, plan, extent)
    }
}

/// Where a function finds its static.
// Output: `<get_lead>::__target().site`, `Self::__cache_target_get().site`
pub(super) fn site_of(cached: &Cached) -> TokenStream {
    let span = Span::mixed_site();
    if cached.function.is_associated() {
        let target = hidden(cached, "target");
        quote_spanned!(span=> Self::#target().site)
    } else {
        let name = own_name(cached.handle_name());
        // In angle brackets, what is wrong with the name is the same here as where it is declared, and is told once.
        quote_spanned!(span=> <#name>::__target().site)
    }
}

fn of_function(cached: &Cached, plan: &CachedPlan, extent: Extent) -> TokenStream {
    let span = Span::mixed_site();
    let krate = cached.krate.at(span);
    let private = cached.krate.private(span);
    let visibility = &cached.function.visibility;
    let cfgs: Vec<_> = cfgs(&cached.function).collect();
    // Where the type is declared, for messages about who may name it.
    let declared = mixed(cached.handle_name().span());
    let name = own_name(cached.handle_name());
    let info = row(cached, &plan.key);
    let target = target(cached, &quote_spanned!(span=> *<#name>::INFO));
    let manager = own_manager(cached);
    let parameters = Parameters::keyed(cached, &plan.key);
    let keyed = parameters.as_ref().map(|parameters| {
        let Parameters { list, names, .. } = parameters;
        let (generics, clause, turbofish) = parameters.generics(&cached.function, None);
        let render = context(cached).key(&plan.key);
        let invalidate = manager.as_ref().map(|manager| {
            quote_spanned! {span=>
                #[inline]
                pub fn invalidate #generics (#list) -> impl #private::Future<Output = #private::bool> #clause {
                    #private::invalidate_key(#manager, Self::key #turbofish (#names))
                }
            }
        });
        quote_spanned! {span=>
            #[inline]
            pub fn key #generics (#list) -> #krate::Key #clause { #private::key_of(#render) }
            #invalidate
        }
    });
    let whole = (extent == Extent::Whole).then(|| {
        let entry = parameters
            .as_ref()
            .map(|parameters| entry(cached, plan, parameters));
        let calls = calls(cached);
        quote!(#entry #calls)
    });
    let invalidate_all = manager.map(|manager| {
        quote_spanned! {span=>
            #[inline]
            pub fn invalidate_all() -> impl #private::Future<Output = ()> {
                #private::invalidate_target(#manager, Self::__target())
            }
        }
    });
    let allow = allow();
    let kind = quote_spanned!(declared=> enum);
    let nothing = quote_spanned!(declared=> {});
    quote_spanned! {span=>
        #(#cfgs)*
        #[doc(hidden)]
        #allow
        #visibility #kind #name #nothing

        #(#cfgs)*
        #[automatically_derived]
        #allow
        impl #name {
            pub const INFO: &'static #private::FunctionInfo = &#info;
            #[inline]
            pub fn __target() -> #private::Target { #target }
            #keyed
            #invalidate_all
            #whole
        }
    }
}

/// What looks at an entry, and what says what it is.
fn entry(cached: &Cached, plan: &CachedPlan, parameters: &Parameters) -> Option<TokenStream> {
    if cached.attribute == CachedAttribute::Response {
        // What is stored of a response is nothing that anybody else could make.
        return None;
    }
    let span = Span::mixed_site();
    let at_value = mixed(cached.value_span());
    let krate = cached.krate.at(at_value);
    let private = cached.krate.private(at_value);
    let value::Held { ty: held, constant } = value::held(cached)?;
    let Parameters { list, names, .. } = parameters;
    let ret = each::return_type(cached);
    let (generics, clause, turbofish) = parameters.generics(&cached.function, Some(&ret));
    let (_, _, of_key) = parameters.generics(&cached.function, None);
    let key = quote_spanned!(span=> Self::key #of_key (#names));
    let place = place(cached, plan, &quote_spanned!(span=> Self::__target()), &key)?;
    let put = can_put(cached, plan).then(|| {
        quote_spanned! {at_value=>
            #[inline]
            pub fn put #generics (#list __value: #held) -> impl #private::Future<Output = ()> #clause {
                Self::__entry #turbofish (#names).filled(__value)
            }
        }
    });
    Some(quote_spanned! {at_value=>
        #constant
        #[inline]
        pub fn __entry #generics (#list) -> #krate::Entry<#held> #clause { #place.seen(__shape) }
        #[inline]
        pub fn peek #generics (#list) -> impl #private::Future<Output = #private::Option<#held>> #clause {
            Self::__entry #turbofish (#names).peeked()
        }
        #put
    })
}

/// What calls the function itself.
fn calls(cached: &Cached) -> Option<TokenStream> {
    let span = Span::mixed_site();
    let private = cached.krate.private(span);
    let function = &cached.function;
    if matches!(function.signature.safety, syn::Safety::Unsafe(_)) {
        return None;
    }
    let name = function.name();
    let (list, names) = own(function);
    let generics = &function.signature.generics;
    let clause = &generics.where_clause;
    let ret = match cached.attribute {
        CachedAttribute::Response => response::return_type(cached),
        _ => function.return_type(),
    };
    let turbofish = turbofish(function);
    let call = |own: &str, mode: &str| {
        let own = Ident::new(own, span);
        let mode = Ident::new(mode, span);
        quote_spanned! {span=>
            #[inline]
            pub fn #own #generics (#list) -> impl #private::Future<Output = #ret> #clause {
                #private::call(Self::__target(), #private::Mode::#mode, #name #turbofish (#names))
            }
        }
    };
    let refresh = call("refresh", "Refresh");
    let uncached = call("uncached", "Bypass");
    Some(quote!(#refresh #uncached))
}

fn of_method(cached: &Cached, plan: &CachedPlan, extent: Extent) -> TokenStream {
    let span = Span::mixed_site();
    let krate = cached.krate.at(span);
    let private = cached.krate.private(span);
    let visibility = &cached.function.visibility_beside();
    let cfgs: Vec<_> = cfgs(&cached.function).collect();
    let target_name = hidden(cached, "target");
    let key_name = hidden(cached, "key");
    let entry_name = hidden(cached, "entry");
    let target = target(cached, &row(cached, &plan.key));
    let allow = allow();
    let keyed = Parameters::keyed(cached, &plan.key).map(|parameters| {
        let list = &parameters.list;
        let this = cached
            .function
            .receiver()
            .map(|receiver| self_token(receiver, receiver.self_token.span));
        let receiver = this
            .as_ref()
            .filter(|_| plan.key.uses_receiver())
            .map(|this| quote_spanned!(span=> &#this,));
        let (generics, clause, _) = parameters.generics(&cached.function, None);
        let render = context(cached).key(&plan.key);
        let is_value = cached.attribute != CachedAttribute::Response && !value::borrows(cached) && each::shows_the_value(cached);
        let place = (extent == Extent::Whole && can_put(cached, plan) && is_value)
            .then(|| {
                let (_, _, turbofish) = parameters.generics(&cached.function, None);
                let names = &parameters.names;
                let key = if plan.key.uses_receiver() {
                    quote_spanned!(span=> #this.#key_name #turbofish (#names))
                } else {
                    quote_spanned!(span=> Self::#key_name #turbofish (#names))
                };
                place(cached, plan, &quote_spanned!(span=> Self::#target_name()), &key)
            })
            .flatten();
        let entry = place.map(|place| {
            let ret = each::return_type(cached);
            let (generics, clause, _) = parameters.generics(&cached.function, Some(&ret));
            quote_spanned! {span=>
                #(#cfgs)*
                #[doc(hidden)]
                #allow
                #visibility fn #entry_name #generics (#receiver #list) -> #private::Place<#ret> #clause { #place }
            }
        });
        quote_spanned! {span=>
            #(#cfgs)*
            #[doc(hidden)]
            #allow
            #visibility fn #key_name #generics (#receiver #list) -> #krate::Key #clause { #private::key_of(#render) }

            #entry
        }
    });
    quote_spanned! {span=>
        #(#cfgs)*
        #[doc(hidden)]
        #allow
        #visibility fn #target_name() -> #private::Target { #target }

        #keyed
    }
}

/// The name of what stands beside a method.
fn hidden(cached: &Cached, what: &str) -> Ident {
    hidden_name(what, cached.handle_name(), Span::mixed_site())
}

/// Input: `key`, `get`
/// Output: `__cache_key_get`
pub(super) fn hidden_name(what: &str, method: &Ident, span: Span) -> Ident {
    format_ident!("__cache_{what}_{}", method.unraw(), span = mixed(span))
}

/// Generated items are not the user's style.
fn allow() -> TokenStream {
    quote_spanned! {Span::mixed_site()=>
        #[allow(
            unknown_lints, dead_code, deprecated, missing_debug_implementations, missing_docs, non_camel_case_types,
            non_snake_case, private_bounds, private_interfaces, single_use_lifetimes, unnameable_types, unreachable_pub,
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

/// The function's manager, unless it can only be told inside of the function.
fn own_manager(cached: &Cached) -> Option<TokenStream> {
    let expression = cached.options.manager.get();
    if expression.is_some_and(|expression| mention_an_argument(cached, expression)) {
        return None;
    }
    Some(manager(expression, &cached.krate))
}

/// The static of the function, as what stands for all of its entries.
fn target(cached: &Cached, info: &TokenStream) -> TokenStream {
    let span = Span::mixed_site();
    let private = cached.krate.private(span);
    let site = site(&cached.krate, info);
    let target = if cached.function.is_associated() {
        quote_spanned!(span=> method::<Self>)
    } else {
        quote_spanned!(span=> function)
    };
    quote_spanned! {span=>
        #site
        #private::Target::#target(&__SITE)
    }
}

/// One entry on the terms of the function.
fn place(cached: &Cached, plan: &CachedPlan, target: &TokenStream, key: &TokenStream) -> Option<TokenStream> {
    let manager = own_manager(cached)?;
    let at_value = mixed(cached.value_span());
    let private = cached.krate.private(at_value);
    let shape = shape(cached);
    let of = stored(cached, "of", "in_memory");
    let asked = asked_of_value(cached);
    let context = context(cached);
    let tags = plan
        .tags
        .iter()
        .filter(|tag| is_keyed(tag, &plan.key))
        .map(|tag| {
            let render = context.target(tag);
            quote_spanned!(at_value=> .tag(#render))
        });
    let ttl = match cached.options.ttl.get() {
        Some(Ttl::Expression(ttl)) if !mention_an_argument(cached, ttl) => {
            let at = mixed(first(ttl));
            Some(quote_spanned!(at=> .ttl(#ttl)))
        }
        _ => None,
    };
    let ttl_from = cached.options.ttl_from.get();
    let ttl_from = ttl_from
        .filter(|closure| !mention_an_argument(cached, closure))
        .map(|closure| {
            let at = mixed(first(closure));
            let krate = cached.krate.at(at);
            let allow = allow_closures();
            quote_spanned!(at=> .ttl_from(__shape, #allow |__v: &_| #krate::bound::on_value(__v, #closure)))
        });
    Some(quote_spanned! {at_value=>
        let __shape = #shape;
        #asked
        #private::Place::#of(#target.site, __shape, #manager, #key) #(#tags)* #ttl #ttl_from
    })
}

/// Whether a value can be stored on the function's terms by who knows the keyed arguments alone.
fn can_put(cached: &Cached, plan: &CachedPlan) -> bool {
    let ttl = match cached.options.ttl.get() {
        Some(Ttl::Expression(ttl)) => mention_an_argument(cached, ttl),
        Some(Ttl::Millis(_)) | None => false,
    };
    let adaptive = cached.options.ttl_from.get();
    let adaptive = adaptive.is_some_and(|closure| mention_an_argument(cached, closure));
    !ttl && !adaptive && plan.tags.iter().all(|tag| is_keyed(tag, &plan.key))
}

/// Whether a tag takes nothing that the key does not take.
fn is_keyed(tag: &[Part], key: &KeyPlan) -> bool {
    let arguments = key.arguments();
    tag.iter().all(|part| match part {
        Part::Literal(_) => true,
        Part::Value(value) => match value.source {
            Source::Argument(index) => arguments.contains(&index),
            Source::Generic(index) => key.generics().any(|keyed| keyed == index),
            Source::Receiver => key.uses_receiver(),
            Source::Result => false,
        },
    })
}
