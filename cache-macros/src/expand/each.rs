//! What is different where each element of an argument has an entry of its own.
//!
//! The elements that are there, and when the body runs, are the library's affair. The invariant is that the body finds all
//! arguments as the signature says, the missing elements in the place of all of them, however often it runs.

use std::collections::BTreeMap;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::visit_mut::{VisitMut, visit_pat_ident_mut, visit_type_mut};
use syn::{PatIdent, Token, Type};

use super::body::return_edge;
use super::render::{Context, is_users_reference};
use crate::attr::Ttl;
use crate::crate_path::CratePath;
use crate::model::{Cached, CachedPlan, Each, Elements, value_in_map};
use crate::signature::{Binding, Function};
use crate::span::{first, mixed};

/// Input:  `anyhow::Result<HashMap<Uuid, User>>`
/// Output: `anyhow::Result<Option<User>>`, which a call for one element would return. Without `each`, the return type itself.
pub(super) fn return_type(cached: &Cached) -> Type {
    let ret = cached.function.return_type();
    let Some(element) = cached.element().and_then(|element| element.ty.as_ref()) else {
        return ret;
    };
    let span = mixed(cached.value_span());
    let mut one = One {
        option: cached.krate.private(span),
        span,
        is_found: false,
    };
    let mut of_one = ret.clone();
    one.visit_type_mut(&mut of_one);
    if one.is_found {
        return of_one;
    }
    // Whatever the alias is of, the library knows it.
    let krate = cached.krate.at(span);
    Type::Verbatim(quote_spanned!(span=> <#ret as #krate::bound::Batch<#element>>::Element))
}

/// Whether the signature shows the type of a value. What an alias hides cannot be named in other signatures, where rustc
/// would tell of it over and over if it were wrong.
pub(super) fn shows_the_value(cached: &Cached) -> bool {
    cached.each.is_none() || cached.value_type().is_some()
}

/// Puts an `Option` of the value in the place of the map.
struct One {
    option: TokenStream,
    span: Span,
    is_found: bool,
}

impl VisitMut for One {
    fn visit_type_mut(&mut self, ty: &mut Type) {
        let Some(value) = value_in_map(ty).filter(|_| !self.is_found).cloned() else {
            return visit_type_mut(self, ty);
        };
        self.is_found = true;
        let private = &self.option;
        if let Ok(option) = syn::parse2(quote_spanned!(self.span=> #private::Option<#value>)) {
            *ty = option;
        }
    }
}

/// The function without `mut` in its patterns: what the body changes are copies, which are made for each run of it.
pub(super) fn function(cached: &Cached) -> Function {
    let mut function = cached.function.clone();
    let mut mutable = Mutable::default();
    for input in &mut function.signature.inputs {
        mutable.visit_fn_arg_mut(input);
    }
    function
}

/// The names that are bound with `mut`, which is taken away.
#[derive(Default)]
struct Mutable(BTreeMap<String, Token![mut]>);

impl VisitMut for Mutable {
    fn visit_pat_ident_mut(&mut self, pattern: &mut PatIdent) {
        if let Some(mutability) = pattern.mutability.take() {
            self.0.insert(pattern.ident.to_string(), mutability);
        }
        visit_pat_ident_mut(self, pattern);
    }
}

// Input:  each = id in ids, key = "user:{tenant}:{id}", async fn users(tenant: u64, ids: Vec<Uuid>) { body }
// Output: Each::load(
//             each(..),
//             &*ids,
//             |id, out| { .. },
//             |id, said| said.tag(..),
//             |elements| { let tenant = tenant.clone(); async move { let ids = elements; body } },
//             store_all,
//         )
pub(super) fn load(
    cached: &Cached,
    each: &Each,
    call: &TokenStream,
    context: &Context<'_>,
    plan: &CachedPlan,
    hooks: Option<TokenStream>,
) -> TokenStream {
    let span = Span::mixed_site();
    let private = cached.krate.private(span);
    let element = cached.element().map(|element| {
        let name = &element.name;
        // As in a handle: what is a reference by itself is taken as it is.
        let value = if is_users_reference(element) {
            quote_spanned!(span=> *__element)
        } else {
            quote_spanned!(span=> __element)
        };
        quote_spanned!(span=> let #name = #value; let _ = #name;)
    });
    let writer = Context::writer(span);
    let render = context.key(&plan.key);
    let ttl = match cached.options.ttl.get() {
        Some(Ttl::Expression(ttl)) => {
            let at = mixed(first(ttl));
            let private = cached.krate.private(at);
            Some(quote_spanned!(at=> let __ttl: #private::Duration = #ttl; let __said = __said.ttl(__ttl);))
        }
        Some(Ttl::Millis(_)) | None => None,
    };
    let tags = plan.tags.iter().map(|parts| {
        let render = context.target(parts);
        quote_spanned!(span=> .tag(#render))
    });
    let elements = &each.argument.name;
    let body = body(cached, each);
    let at = mixed(cached.value_span());
    let private_at = cached.krate.private(at);
    let verdict = hooks.unwrap_or_else(|| quote_spanned!(at=> #private_at::store_all));
    quote_spanned! {at=>
        #private_at::Each::load(
            #call,
            &*#elements,
            |__element, #writer: &mut #private::KeyWriter| {
                #element
                let __render = #render;
                __render(#writer);
            },
            |__element, __said: #private::Said| {
                #element
                #ttl
                __said #(#tags)*
            },
            #body,
            #verdict,
        )
    }
}

/// The body as a closure of the elements that are missing.
fn body(cached: &Cached, each: &Each) -> TokenStream {
    let span = Span::mixed_site();
    let mut mutable = Mutable::default();
    let mut signature = cached.function.signature.clone();
    for input in &mut signature.inputs {
        mutable.visit_fn_arg_mut(input);
    }
    let mutability = |name: &Ident| mutable.0.get(&name.to_string());
    // What is named as unused is not taken along.
    let others = cached
        .bindings
        .iter()
        .filter(|binding| !binding.is_element() && !binding.plain_name().starts_with('_'))
        .map(|binding| {
            let Binding { name, cfgs, .. } = binding;
            let at = mixed(binding.type_span);
            let krate = cached.krate.at(at);
            let mutability = mutability(name);
            quote_spanned!(at=> #(#cfgs)* let #mutability #name = #krate::bound::Repeated::repeated(&#name);)
        });
    let name = &each.argument.name;
    let mutability = mutability(name);
    let elements = match each.form {
        Elements::Vec => quote_spanned!(span=> let #mutability #name = __elements;),
        Elements::Slice => quote_spanned!(span=> let #mutability #name: &[_] = &__elements;),
    };
    let future = future_after(
        &cached.krate,
        &elements,
        &cached.function,
        &cached.function.return_type(),
    );
    let others = quote!(#(#others)*);
    quote_spanned!(span=> |__elements| { #others #future })
}

/// The body as a future, after statements that belong to it.
fn future_after(krate: &CratePath, statements: &TokenStream, function: &Function, ret: &Type) -> TokenStream {
    let body = &function.body;
    let span = mixed(function.return_span());
    if function.is_boxed() {
        return quote_spanned!(span=> { #statements #body });
    }
    // With the user's own span: rustc quotes this place as where the return type was learnt.
    let edge = return_edge(krate, ret, function.return_span());
    quote_spanned! {span=>
        async move {
            #edge
            #statements
            #[allow(unused_braces, clippy::semicolon_if_nothing_returned)]
            #body
        }
    }
}
