//! The type of the value in a return type, where a signature has to name it: what `peek` gives and `put` takes.
//!
//! The library tells it by a trait, given what is around the value as a constant; that of a generic function may not name
//! its parameters, so there the usual names are gone by. The invariant is that nothing is named that may be wrong: then there
//! is no such function.

use std::collections::BTreeSet;

use proc_macro2::{TokenStream, TokenTree};
use quote::{ToTokens, quote_spanned};
use syn::Type;

use super::each;
use super::parameters::{own_name, parameter_name, words};
use crate::check::KNOWN_VALUES;
use crate::model::Cached;
use crate::signature::{first_type_argument, last_segment, ungrouped};
use crate::span::mixed;

/// The type of the value, and the constant of the handle that it is told by.
pub(super) struct Held {
    pub(super) ty: TokenStream,
    pub(super) constant: Option<TokenStream>,
}

// Input:  Result<Option<Arc<Lead>>, DbError>
// Output: the type `Arc<Lead>`, as `<Result<Option<Arc<Lead>>, DbError> as Holds<{ get_lead::__AROUND }>>::Held`
pub(super) fn held(cached: &Cached) -> Option<Held> {
    if borrows(cached) || !each::shows_the_value(cached) {
        return None;
    }
    let ret = each::return_type(cached);
    let span = mixed(cached.value_span());
    let private = cached.krate.private(span);
    let mut used = BTreeSet::new();
    words(ret.to_token_stream(), &mut used);
    let generics = &cached.function.signature.generics.params;
    let generics: Vec<String> = generics.iter().map(parameter_name).collect();
    if !generics.iter().any(|name| used.contains(name)) {
        let name = own_name(cached.handle_name());
        return Some(Held {
            ty: quote_spanned!(span=> <#ret as #private::Holds<{ <#name>::__AROUND }>>::Held),
            constant: Some(quote_spanned! {span=>
                const __AROUND: #private::usize = #private::around_value!(#ret);
            }),
        });
    }
    let around = around(&ret, &generics)?;
    Some(Held {
        ty: quote_spanned!(span=> <#ret as #private::Holds<#around>>::Held),
        constant: None,
    })
}

/// Whether the return type borrows for a time that has no name.
pub(super) fn borrows(cached: &Cached) -> bool {
    fn search(tokens: TokenStream) -> bool {
        let mut tokens = tokens.into_iter().peekable();
        while let Some(token) = tokens.next() {
            let found = match &token {
                TokenTree::Group(group) => search(group.stream()),
                TokenTree::Punct(punct) if punct.as_char() == '\'' => {
                    matches!(tokens.peek(), Some(TokenTree::Ident(name)) if name == "_")
                }
                TokenTree::Punct(punct) if punct.as_char() == '&' => {
                    !matches!(tokens.peek(), Some(TokenTree::Punct(next)) if next.as_char() == '\'')
                }
                _ => false,
            };
            if found {
                return true;
            }
        }
        false
    }
    search(cached.function.return_type().to_token_stream())
}

/// What is around the value, as the sum that the library reckons with.
fn around(ret: &Type, generics: &[String]) -> Option<usize> {
    let mut ty = ungrouped(ret);
    let mut around = 0;
    for (name, weight) in [("Result", 1), ("Json", 2), ("Option", 4), ("Json", 8)] {
        let segment = last_segment(Some(ty)).filter(|segment| segment.ident == name);
        if let Some(inner) = segment.and_then(first_type_argument) {
            around += weight;
            ty = ungrouped(inner);
        }
    }
    let is_plain = match ty {
        Type::Path(path) => path.path.segments.last().is_some_and(|segment| {
            let name = segment.ident.to_string();
            generics.contains(&name)
                || name == "Arc"
                || name == "Box"
                || KNOWN_VALUES.contains(&name.as_str())
        }),
        Type::Tuple(_) | Type::Array(_) => true,
        _ => false,
    };
    is_plain.then_some(around)
}
