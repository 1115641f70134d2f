//! What is different where the whole response of a handler is cached.
//!
//! The way of a call is that of every cached function. The invariant is that the arguments of the handler stay as they
//! are written, so that what other attributes know of them stays right.

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;
use syn::visit_mut::{VisitMut, visit_type_mut};
use syn::{ReturnType, Token, Type};

use super::body::future_with;
use crate::model::{Cached, KeyPlan};
use crate::signature::{Function, Origin, ungrouped};
use crate::span::{first, mixed};

/// What the function gives as it is expanded: a response, or what is hidden and is one.
pub(super) fn return_type(cached: &Cached) -> Type {
    function(cached).return_type()
}

/// Input:  `async fn f(..) -> Json<T>`
/// Output: `async fn f(..) -> Response`; `impl Trait` stays, since a response is that too.
pub(super) fn function(cached: &Cached) -> Function {
    let Function {
        attributes,
        visibility,
        signature,
        body,
        home,
    } = &cached.function;
    let mut signature = signature.clone();
    let is_hidden = matches!(ungrouped(&cached.function.return_type()), Type::ImplTrait(_));
    if !is_hidden {
        let span = mixed(cached.function.return_span());
        let private = cached.krate.private(span);
        let ty = Type::Verbatim(quote_spanned!(span=> #private::answers::Response));
        signature.output = ReturnType::Type(Token![->](span), Box::new(ty));
    }
    Function {
        attributes: attributes.clone(),
        visibility: visibility.clone(),
        signature,
        body: body.clone(),
        home: *home,
    }
}

/// Asks how this request uses the cache, given what the attribute says.
pub(super) fn asked(cached: &Cached, mode: &TokenStream) -> (TokenStream, TokenStream) {
    let span = Span::mixed_site();
    let private = cached.krate.private(span);
    (
        quote_spanned!(span=> let __asked = #private::answers::asked(#mode);),
        quote_spanned!(span=> __asked.mode()),
    )
}

/// Input:  `{ body }`
/// Output: `async move { record(async move { body }.await, ..).await }`, which gives an answer.
pub(super) fn future(cached: &Cached) -> TokenStream {
    let span = mixed(cached.function.return_span());
    let krate = cached.krate.at(span);
    let private = cached.krate.private(span);
    let future = future_with(
        &cached.function,
        &cached.krate,
        &named(cached.function.return_type()),
    );
    let limit = if let Some(limit) = cached.options.max_response_bytes.get() {
        let at = mixed(first(limit));
        let private = cached.krate.private(at);
        quote_spanned!(at=> let __limit: #private::usize = #limit;)
    } else {
        quote_spanned!(span=> let __limit = #private::answers::MAX_RESPONSE_BYTES;)
    };
    quote_spanned! {span=>
        async move {
            #limit
            let __ret = #future.await;
            let __is_err = #private::answers::Returned(&__ret).is_err();
            let __response = #krate::bound::Responds::responded(__ret);
            #private::answers::record(__response, __is_err, __limit, __asked).await
        }
    }
}

/// The type with `_` for what has no name, which the body tells.
fn named(mut ty: Type) -> Type {
    struct Hide;
    impl VisitMut for Hide {
        fn visit_type_mut(&mut self, ty: &mut Type) {
            if let Type::ImplTrait(hidden) = ty {
                *ty = Type::Infer(syn::TypeInfer {
                    attrs: Vec::new(),
                    underscore_token: Token![_](hidden.impl_token.span),
                });
            }
            visit_type_mut(self, ty);
        }
    }
    Hide.visit_type_mut(&mut ty);
    ty
}

/// The answer as a response. One whose key has something that is not in the URL is for those alone who know it.
pub(super) fn respond(cached: &Cached, key: &KeyPlan, answer: &TokenStream) -> TokenStream {
    let span = mixed(cached.value_span());
    let private = cached.krate.private(span);
    let mut keyed = key
        .arguments()
        .into_iter()
        .filter_map(|index| cached.bindings.get(index));
    let is_private = keyed.any(|binding| binding.origin != Origin::Url);
    quote_spanned!(span=> #private::answers::respond(#answer, __asked, #is_private))
}
