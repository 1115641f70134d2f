//! The implementation of `CacheKey` for a user's own type.
//!
//! The escaping is that of `KeyWriter`. The invariant is that values that differ are written differently: what has
//! fields and a name is a group, which no text looks like, and begins with the name, which no other variant has.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::{Data, DeriveInput, Fields, WherePredicate};

use crate::crate_path::CratePath;
use crate::signature::name_in;
use crate::span::mixed;

// Input:  enum Period { AllTime, Days { from: u32, to: u32 } }
// Output: impl CacheKey for Period {
//             fn write_key(&self, __k: &mut KeyWriter) {
//                 match self {
//                     Self::AllTime { } => { __k.text("AllTime"); }
//                     Self::Days { from: __0, to: __1 } => {
//                         __k.open(); __k.item(0, "Days"); __k.item(1, __0); __k.item(2, __1); __k.close();
//                     }
//                 }
//             }
//         }
pub(crate) fn key_part(input: &DeriveInput, krate: &CratePath) -> TokenStream {
    let span = Span::mixed_site();
    let path = krate.at(span);
    let name = &input.ident;
    let arms: Vec<_> = match &input.data {
        Data::Struct(data) => vec![arm(&quote!(Self), name, &data.fields, false, krate)],
        Data::Enum(data) => {
            let arm = |variant: &syn::Variant| {
                let name = &variant.ident;
                arm(
                    &quote_spanned!(span=> Self::#name),
                    name,
                    &variant.fields,
                    true,
                    krate,
                )
            };
            data.variants.iter().map(arm).collect()
        }
        Data::Union(_) => Vec::new(),
    };
    let mut generics = input.generics.clone();
    let bounds: Vec<WherePredicate> = generics
        .type_params()
        .map(|parameter| {
            let name = &parameter.ident;
            let path = krate.at(name.span());
            syn::parse_quote_spanned!(mixed(name.span())=> #name: #path::CacheKey)
        })
        .collect();
    if !bounds.is_empty() {
        generics.make_where_clause().predicates.extend(bounds);
    }
    let (declared, arguments, clause) = generics.split_for_impl();
    quote_spanned! {span=>
        #[automatically_derived]
        #[allow(
            unknown_lints, deprecated, single_use_lifetimes, unreachable_code, unused_qualifications, unused_variables,
            clippy::all, clippy::pedantic, clippy::nursery
        )]
        impl #declared #path::CacheKey for #name #arguments #clause {
            fn write_key(&self, __k: &mut #path::KeyWriter) {
                // A type without values is matched by its place, not by a reference to it.
                match *self { #(#arms)* }
            }
        }
    }
}

/// One case: takes the fields out and writes them.
fn arm(
    pattern: &TokenStream,
    name: &Ident,
    fields: &Fields,
    is_variant: bool,
    krate: &CratePath,
) -> TokenStream {
    let span = Span::mixed_site();
    let private = krate.private(span);
    let text = name.unraw().to_string();
    let taken: Vec<_> = fields.members().zip(fields).enumerate().collect();
    let patterns = taken.iter().map(|(index, (member, _))| {
        let local = local(*index, span);
        quote_spanned!(span=> #member: ref #local)
    });
    // A call of the trait's own method, located at the field's type: a type that is no key part is underlined there,
    // and rustc has no other function to explain.
    let write = |index: usize, field: &syn::Field| {
        let span = mixed(name_in(&field.ty));
        let path = krate.at(span);
        let local = local(index, span);
        quote_spanned!(span=> #path::CacheKey::write_key(#local, __k))
    };
    let first = usize::from(is_variant);
    let name = is_variant.then(|| quote_spanned!(span=> __k.item(0, #text);));
    let body = match &*taken {
        [] => quote_spanned!(span=> __k.text(#text);),
        [(index, (_, field))] if !is_variant => {
            let write = write(*index, field);
            quote_spanned!(span=> #write;)
        }
        taken => {
            let items = taken.iter().map(|(index, (_, field))| {
                let write = write(*index, field);
                let index = index + first;
                quote_spanned!(span=> __k.item(#index, &#private::Member(|__k: &mut #private::KeyWriter| #write));)
            });
            quote_spanned!(span=> __k.open(); #name #(#items)* __k.close();)
        }
    };
    quote_spanned!(span=> #pattern { #(#patterns),* } => { #body })
}

fn local(index: usize, span: Span) -> Ident {
    format_ident!("__{index}", span = mixed(span))
}
