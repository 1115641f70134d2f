//! The cached function: its body behind a look-up.
//!
//! All policy is in `cache_core`; what stands here names the place, the key and the body. The invariant is that
//! the expansion is one look-up and one load, however many options there are.

use std::collections::BTreeSet;

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote_spanned;
use syn::Expr;

use super::body::future_of_cached;
use super::handle::site_of;
use super::render::{Context, Place, self_token};
use super::{allow_closures, each, manager, response, with_body, words};
use crate::attr::{CachedAttribute, CachedOptions, Fixed, Slot, Tier, Ttl};
use crate::model::{Cached, CachedPlan};
use crate::span::{first, mixed};

// Input:  async fn get_lead(db: &Db, lead_id: u64) -> Ret { body }
// Output: async fn get_lead(db: &Db, lead_id: u64) -> Ret {
//             let miss = match lookup(get_lead::__target().site, .., &|k| { .. }) {
//                 Ok(hit) => return hit,
//                 Err(miss) => miss.tag(..),
//             };
//             let load = { async fn __fn(..) -> Ret { body } __fn(db, lead_id) };
//             Load { load, miss }.await
//         }
pub(crate) fn cached_fn(cached: &Cached, plan: &CachedPlan) -> TokenStream {
    let span = Span::mixed_site();
    // What the returned value lacks is found in several calls; at one place rustc reports it once.
    let at_value = mixed(cached.value_span());
    let private = cached.krate.private(at_value);
    let context = Context {
        krate: &cached.krate,
        function: &cached.function,
        bindings: &cached.bindings,
        place: Place::Function,
    };
    let options = &cached.options;
    let site = site_of(cached);
    let popular = popular(cached, &site);
    let render = context.key(&plan.key);
    let manager = manager(options.manager.get(), &cached.krate);
    let is_response = cached.attribute == CachedAttribute::Response;
    let mode = mode(cached);
    let (request, mode) = if is_response {
        response::asked(cached, &mode)
    } else {
        (TokenStream::new(), mode)
    };
    let ret = each::return_type(cached);
    if let Some(each) = &cached.each {
        let (shape, asked) = (shape(cached), asked(cached));
        let function = stored(cached, "each", "each_in_memory");
        let call = quote_spanned! {at_value=>
            #private::#function(#site, __shape, #private::share!(#ret), #manager, #mode)
        };
        let load = each::load(cached, each, &call, &context, plan, hooks(cached));
        let body = quote_spanned! {span=>
            let __shape = #shape;
            #asked
            #load.await
        };
        return with_body(&each::function(cached), &cached.krate, body);
    }
    let load = load(cached, &context, plan);
    let (types, lookup) = if is_response {
        let asked = asked(cached);
        let lookup = quote_spanned!(at_value=> #private::answers::lookup(#site, #manager, #mode, &#render));
        (quote_spanned!(span=> #asked #request), lookup)
    } else {
        let (shape, asked) = (shape(cached), asked(cached));
        let lookup = stored(cached, "lookup", "lookup_in_memory");
        let lookup = quote_spanned! {at_value=>
            #private::#lookup(#site, __shape, #private::share!(#ret), #manager, #mode, &#render)
        };
        (quote_spanned!(span=> let __shape = #shape; #asked), lookup)
    };
    let hit = if is_response {
        response::respond(cached, &plan.key, &quote_spanned!(at_value=> __hit))
    } else {
        quote_spanned!(at_value=> __hit)
    };
    let loaded = if is_response {
        response::respond(cached, &plan.key, &load)
    } else {
        load
    };
    // In a statement of its own, what the key borrows is let go before the body has its turn.
    let body = quote_spanned! {at_value=>
        #popular
        #types
        let __miss = match #lookup {
            #private::Ok(__hit) => return #hit,
            #private::Err(__miss) => __miss,
        };
        #loaded
    };
    if is_response {
        return with_body(&response::function(cached), &cached.krate, body);
    }
    with_body(&cached.function, &cached.krate, body)
}

/// `shape!(Ret)`, so that what the type lacks is shown at the type.
pub(super) fn shape(cached: &Cached) -> TokenStream {
    let span = mixed(cached.value_span());
    let private = cached.krate.private(span);
    let ret = each::return_type(cached);
    quote_spanned!(span=> #private::shape!(#ret))
}

/// One name where values are written into Redis, another one where they stay in this process.
pub(super) fn stored(cached: &Cached, written: &str, in_memory: &str) -> Ident {
    let span = mixed(cached.value_span());
    match cached.options.tier.get() {
        Some(Tier::Memory) => Ident::new(in_memory, span),
        Some(Tier::Redis | Tier::Both) | None => Ident::new(written, span),
    }
}

/// What is asked of the value in the returned type, one trait at a time. What comes after asks for the same through types
/// of ours, and rustc reports only the first at one place.
pub(super) fn asked_of_value(cached: &Cached) -> TokenStream {
    let at_value = mixed(cached.value_span());
    let krate = cached.krate.at(at_value);
    let private = cached.krate.private(at_value);
    let written = match cached.options.tier.get() {
        Some(Tier::Memory) => None,
        Some(Tier::Redis | Tier::Both) | None => {
            Some(quote_spanned!(at_value=> #krate::bound::written(#private::value(__shape));))
        }
    };
    quote_spanned! {at_value=>
        if false {
            #krate::bound::Filled::filled(#private::Inside::of(__shape).content());
            #krate::bound::kept(#private::held_in(__shape));
            #written
        }
    }
}

/// What is asked of the returned type because of an option.
fn asked(cached: &Cached) -> TokenStream {
    if cached.attribute == CachedAttribute::Response {
        // What a response has to be is asked where it is made.
        return match in_background(cached) {
            Some(in_background) => quote_spanned!(Span::mixed_site()=> if false { #in_background }),
            None => TokenStream::new(),
        };
    }
    let of_value = asked_of_value(cached);
    let about_return = |slot: &Slot<Fixed>, bound: &str, method: &str| {
        let span = mixed(slot.span()?);
        let krate = cached.krate.at(span);
        let private = cached.krate.private(span);
        let (bound, method) = (Ident::new(bound, span), Ident::new(method, span));
        Some(quote_spanned!(span=> #krate::bound::#bound::#method(#private::returned(__shape));))
    };
    let may_be_none = about_return(&cached.options.none_ttl, "MayBeNone", "may_be_none");
    let may_fail = about_return(&cached.options.stale_if_error, "MayFail", "may_fail");
    let in_background = in_background(cached);
    let of_options = quote_spanned!(Span::mixed_site()=> #may_be_none #may_fail #in_background);
    if of_options.is_empty() {
        return of_value;
    }
    quote_spanned! {Span::mixed_site()=>
        #of_value
        if false { #of_options }
    }
}

/// What is asked of all that a function takes with it when it goes on after its caller has its value.
fn in_background(cached: &Cached) -> Option<TokenStream> {
    if cached.options.background().is_empty() {
        return None;
    }
    let one = |name: &Ident, location: Span| {
        let at = mixed(location);
        let krate = cached.krate.at(at);
        let mut name = name.clone();
        name.set_span(location.resolved_at(name.span()));
        quote_spanned!(at=> #krate::bound::taken_along(&#name);)
    };
    let receiver = cached.function.receiver().map(|receiver| {
        let span = receiver.self_token.span;
        one(&self_token(receiver, span), span)
    });
    // What the body does not mention is not taken along.
    let mut mentioned = BTreeSet::new();
    words(cached.function.body.clone().into(), &mut mentioned);
    let arguments = cached
        .bindings
        .iter()
        .filter(|binding| mentioned.contains(&binding.name.to_string()))
        .map(|binding| one(&binding.name, binding.type_span));
    let at = mixed(cached.function.error_span());
    let krate = cached.krate.at(at);
    let private = cached.krate.private(at);
    let brought_back = (cached.attribute != CachedAttribute::Response)
        .then(|| quote_spanned!(at=> #krate::bound::brought_back(#private::returned(__shape));));
    Some(quote_spanned!(at=> #receiver #(#arguments)* #brought_back))
}

fn mode(cached: &Cached) -> TokenStream {
    let span = Span::mixed_site();
    let private = cached.krate.private(span);
    let CachedOptions { bypass, refresh, .. } = &cached.options;
    // A variable whose type is written keeps the function that takes it out of rustc's messages.
    let condition = |name: &str, expression: Option<&Expr>| {
        let at = expression.map_or(span, |expression| mixed(first(expression)));
        let name = Ident::new(name, at);
        let private = cached.krate.private(at);
        let value = expression.map_or_else(
            || quote_spanned!(span=> false),
            |expression| quote_spanned!(at=> #expression),
        );
        quote_spanned!(at=> let #name: #private::bool = #value;)
    };
    match (bypass.get(), refresh.get()) {
        (None, None) => quote_spanned!(span=> #private::Mode::Use),
        (bypass, refresh) => {
            let bypass = condition("__bypass", bypass);
            let refresh = condition("__refresh", refresh);
            quote_spanned!(span=> { #bypass #refresh #private::Mode::of(__bypass, __refresh) })
        }
    }
}

fn popular(cached: &Cached, site: &TokenStream) -> Option<TokenStream> {
    let name = cached.options.popular.get()?;
    let binding = cached.bindings.iter().find(|binding| binding.name == *name)?;
    let span = mixed(binding.type_span);
    let private = cached.krate.private(span);
    let manager = manager(cached.options.manager.get(), &cached.krate);
    let mut value = binding.name.clone();
    value.set_span(span.resolved_at(binding.name.span()));
    let krate = cached.krate.at(span);
    Some(
        quote_spanned!(span=> #private::popular(#site, #manager, #krate::bound::Searched::searched(&#value));),
    )
}

/// Runs the body, stores what it gave, and returns it.
// Input:  { body }, refresh_ahead = 0.8
// Output: Miss::load_in_background(miss, goes_on(async move { body }), store_all).await
fn load(cached: &Cached, context: &Context<'_>, plan: &CachedPlan) -> TokenStream {
    let background = cached.options.background().first().copied();
    // Where rustc shows what keeps the returned value from another thread: the same place as in `in_background`, so that
    // it does so once.
    let span = mixed(match background {
        Some(_) => cached.function.error_span(),
        None => cached.value_span(),
    });
    let private = cached.krate.private(span);
    let is_response = cached.attribute == CachedAttribute::Response;
    let future = if is_response {
        response::future(cached)
    } else {
        future_of_cached(cached, plan)
    };
    let hooks = hooks(cached);
    // Arguments move into the body, so the TTL and the tags are computed before.
    let (declaration, ttl) = match cached.options.ttl.get() {
        Some(Ttl::Expression(ttl)) => {
            let at = mixed(first(ttl));
            let private_at = cached.krate.private(at);
            (
                Some(quote_spanned!(at=> let __ttl: #private_at::Duration = #ttl;)),
                Some(quote_spanned!(span=> .ttl(__ttl))),
            )
        }
        Some(Ttl::Millis(_)) | None => (None, None),
    };
    let tags = plan.tags.iter().map(|parts| {
        let render = context.target(parts);
        quote_spanned!(span=> .tag(#render))
    });
    let timed_out = cached.options.hard_timeout.span().map(|_| {
        let at = mixed(cached.function.error_span());
        let krate = cached.krate.at(at);
        let private = cached.krate.private(at);
        if is_response {
            return quote_spanned!(at=> .hard_timeout(#private::answers::timed_out));
        }
        quote_spanned!(at=> .hard_timeout(#krate::bound::TimesOut::timed_out))
    });
    let settings = quote_spanned!(span=> #ttl #(#tags)* #timed_out);
    let verdict = hooks.map(|hooks| {
        let shape = if is_response {
            quote_spanned!(span=> #private::answers::SHAPE)
        } else {
            quote_spanned!(span=> __shape)
        };
        quote_spanned!(span=> #private::judging(#shape, #hooks))
    });
    if let Some((_, option)) = background {
        let at = mixed(option);
        let krate = cached.krate.at(at);
        let future = quote_spanned!(at=> #krate::bound::goes_on(#future));
        let verdict = verdict.unwrap_or_else(|| quote_spanned!(span=> #private::store_all));
        return quote_spanned! {span=>
            {
                #declaration
                #private::Miss::load_in_background(__miss #settings, #future, #verdict).await
            }
        };
    }
    let load = if let Some(verdict) = verdict {
        quote_spanned!(span=> #private::LoadIf { verdict: #verdict, load: #future, miss: __miss }.await)
    } else {
        quote_spanned!(span=> #private::Load { load: #future, miss: __miss }.await)
    };
    if declaration.is_none() && settings.is_empty() {
        return load;
    }
    quote_spanned! {span=>
        {
            #declaration
            let __miss = __miss #settings;
            #load
        }
    }
}

/// What is asked of a value before it is stored, if anything is.
fn hooks(cached: &Cached) -> Option<TokenStream> {
    let span = Span::mixed_site();
    let private = cached.krate.private(span);
    let CachedOptions {
        cache_if, ttl_from, ..
    } = &cached.options;
    let allow = allow_closures();
    let hook = |method: &str, ty: &str, function: &Expr| {
        let at = mixed(first(function));
        let krate = cached.krate.at(at);
        let private = cached.krate.private(at);
        let method = Ident::new(method, at);
        let ty = Ident::new(ty, at);
        quote_spanned! {at=>
            #allow
            let __said: #private::#ty = #krate::bound::on_value(__v, #function);
            let __verdict = __verdict.#method(__said);
        }
    };
    let only_if = cache_if.get().map(|function| hook("only_if", "bool", function));
    let ttl = ttl_from.get().map(|function| hook("ttl", "Duration", function));
    let is_response = cached.attribute == CachedAttribute::Response;
    if only_if.is_none() && ttl.is_none() {
        return is_response.then(|| quote_spanned!(span=> #private::answers::verdict));
    }
    let first = if is_response {
        quote_spanned!(span=> #private::answers::verdict(__v))
    } else {
        quote_spanned!(span=> #private::Verdict::store())
    };
    // What goes on in the background borrows nothing from its caller.
    let capture = (!cached.options.background().is_empty()).then(|| quote_spanned!(span=> move));
    Some(quote_spanned! {span=>
        #capture |__v: &_| {
            let __verdict = #first;
            #only_if
            #ttl
            __verdict
        }
    })
}
