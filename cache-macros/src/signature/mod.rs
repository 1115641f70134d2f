//! The annotated function: its parts as tokens. `bindings` are the arguments that its patterns bind, `types` is what can be
//! seen of a type.
//!
//! Bodies are never parsed, so a half-typed one keeps rustc's own messages. Nothing is judged here, except that
//! an item is a function at all. The invariant is that an item prints as it was read, but for our attribute.

mod bindings;
mod types;

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, TokenStreamExt};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned;
use syn::{Attribute, Member, Receiver, ReturnType, Token, Type, Visibility};

use crate::errors::Message;
use crate::span::first;
use types::output_of_boxed_future;

pub(crate) use bindings::{Binding, Origin};
pub(crate) use types::{first_type_argument, generic_types, last_segment, name_in, ungrouped, value_of};

/// An `async fn` as far as an attribute needs to know it.
#[derive(Clone)]
pub(crate) struct Function {
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) visibility: Visibility,
    pub(crate) signature: syn::Signature,
    pub(crate) body: TokenTree,
    pub(crate) home: Home,
}

/// Where a function stands, as far as an attribute can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Home {
    /// A module, a body, or an impl block that says nothing.
    Anywhere,
    /// An impl block with `#[cache_impl]`.
    Impl,
    /// An impl block of a trait, with `#[cache_impl]`.
    TraitImpl,
}

impl Function {
    /// Reads an item, or says that it is none that an attribute can go on.
    pub(crate) fn parse(item: TokenStream, attribute: &str) -> syn::Result<Self> {
        let item = syn::parse2::<Item>(item)?;
        match item {
            Item::Function(function) => Ok(*function),
            Item::Other { keyword } => {
                let message = Message::new(format_args!("`#[{attribute}]` goes on an `async fn`"))
                    .help("put it on the function whose result matters");
                Err(message.into_error(keyword))
            }
            Item::NoBody { semicolon } => {
                let message = Message::new(format_args!("`#[{attribute}]` needs a function with a body"))
                    .help("put it on the implementation, the declaration in a trait runs nothing");
                Err(message.into_error(semicolon))
            }
        }
    }

    pub(crate) fn name(&self) -> &Ident {
        &self.signature.ident
    }

    /// The name without `r#`.
    pub(crate) fn plain_name(&self) -> String {
        self.name().unraw().to_string()
    }

    /// Whether it belongs to a type.
    pub(crate) fn is_associated(&self) -> bool {
        self.receiver().is_some() || self.home != Home::Anywhere
    }

    /// Who may see what stands beside it. Methods of a trait have none of their own to say so.
    pub(crate) fn visibility_beside(&self) -> Visibility {
        match self.home {
            Home::TraitImpl => syn::parse_quote!(pub),
            Home::Anywhere | Home::Impl => self.visibility.clone(),
        }
    }

    /// Whether it returns a boxed future, which is what `#[async_trait]` makes of an `async fn`.
    pub(crate) fn is_boxed(&self) -> bool {
        self.signature.asyncness.is_none() && self.boxed_output().is_some()
    }

    fn boxed_output(&self) -> Option<&Type> {
        let ReturnType::Type(_, ty) = &self.signature.output else {
            return None;
        };
        output_of_boxed_future(ty)
    }

    /// The type of the result, where one is written.
    fn returned(&self) -> Option<&Type> {
        if self.signature.asyncness.is_none()
            && let Some(output) = self.boxed_output()
        {
            return Some(output);
        }
        match &self.signature.output {
            ReturnType::Type(_, ty) => Some(ty),
            ReturnType::Default => None,
        }
    }

    pub(crate) fn receiver(&self) -> Option<&Receiver> {
        self.signature.receiver()
    }

    /// The return type; a function without one returns `()`.
    pub(crate) fn return_type(&self) -> Type {
        match self.returned() {
            Some(ty) => ty.clone(),
            None => Type::Tuple(syn::TypeTuple {
                attrs: Vec::new(),
                paren_token: syn::token::Paren::default(),
                elems: syn::punctuated::Punctuated::new(),
            }),
        }
    }

    /// Where the return type begins.
    pub(crate) fn return_span(&self) -> Span {
        self.returned().map_or_else(|| self.name().span(), first)
    }

    /// The type of the returned value, without what is around it.
    pub(crate) fn value_type(&self) -> Option<&Type> {
        self.returned().map(value_of)
    }

    /// Where what rustc finds about the returned value is shown.
    pub(crate) fn value_span(&self) -> Span {
        self.value_type().map_or_else(|| self.name().span(), name_in)
    }

    /// Where what rustc finds about the returned error is shown: the last type of a `Result<.., E>`, and else the whole.
    pub(crate) fn error_span(&self) -> Span {
        let Some(ty) = self.returned() else {
            return self.name().span();
        };
        let error = last_segment(Some(ty))
            .and_then(generic_types)
            .and_then(|types| types.get(1).copied());
        name_in(error.unwrap_or(ty))
    }
}

impl ToTokens for Function {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        tokens.append_all(&self.attributes);
        self.visibility.to_tokens(tokens);
        self.signature.to_tokens(tokens);
        self.body.to_tokens(tokens);
    }
}

/// What the attribute was put on.
enum Item {
    Function(Box<Function>),
    NoBody { semicolon: Span },
    Other { keyword: Span },
}

impl Parse for Item {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attributes = input.call(Attribute::parse_outer)?;
        let visibility: Visibility = input.parse()?;
        if input.peek(Token![default]) && !input.peek2(Token![!]) {
            // A specialised method is not worth a message of its own; rustc has one.
            input.parse::<Token![default]>()?;
        }
        if !starts_function(input) {
            let keyword = input.span();
            input.parse::<TokenStream>()?;
            return Ok(Self::Other { keyword });
        }
        let signature: syn::Signature = input.parse()?;
        if input.peek(Token![;]) {
            let semicolon = input.parse::<Token![;]>()?.span();
            return Ok(Self::NoBody { semicolon });
        }
        let body: TokenTree = input.parse()?;
        Ok(Self::Function(Box::new(Function {
            attributes,
            visibility,
            signature,
            body,
            home: Home::Anywhere,
        })))
    }
}

/// Whether the signature of a function is next.
pub(crate) fn starts_function(input: ParseStream<'_>) -> bool {
    input.peek(Token![fn])
        || input.peek(Token![async])
        || (input.peek(Token![const])
            && (input.peek2(Token![fn]) || input.peek2(Token![async]) || input.peek2(Token![unsafe])))
        || (input.peek(Token![unsafe]) && (input.peek2(Token![fn]) || input.peek2(Token![extern])))
        || (input.peek(Token![extern]) && (input.peek2(Token![fn]) || input.peek3(Token![fn])))
}

/// The attributes that say when something exists.
pub(crate) fn conditions(attributes: &[Attribute]) -> impl Iterator<Item = &Attribute> {
    attributes.iter().filter(|attribute| {
        attribute.path().is_ident("cfg")
            || (attribute.path().is_ident("cfg_attr") && gives_a_cfg(&attribute.meta.to_token_stream()))
    })
}

/// Whether one of the attributes that a `cfg_attr` stands for is a `cfg`.
fn gives_a_cfg(meta: &TokenStream) -> bool {
    let Some(TokenTree::Group(group)) = meta.clone().into_iter().last() else {
        return false;
    };
    let mut at_start = false;
    group.stream().into_iter().any(|token| {
        let is_cfg = at_start && matches!(&token, TokenTree::Ident(name) if name == "cfg");
        at_start = matches!(&token, TokenTree::Punct(punct) if punct.as_char() == ',');
        is_cfg
    })
}

/// A field as a template names it, located at `span`.
pub(crate) fn member(field: &crate::template::Field, span: Span) -> syn::Result<Member> {
    use crate::template::Field;
    match field {
        Field::Index(index) => Ok(Member::Unnamed(syn::Index { index: *index, span })),
        Field::Named(name) => {
            let parsed =
                syn::parse_str::<Ident>(name).or_else(|_| syn::parse_str::<Ident>(&format!("r#{name}")));
            let mut ident = parsed.map_err(|_| syn::Error::new(span, format!("`{name}` is not a field")))?;
            ident.set_span(span);
            Ok(Member::Named(ident))
        }
    }
}

#[cfg(test)]
mod tests {
    use quote::{ToTokens, quote};

    use super::Function;

    #[test]
    fn a_half_typed_body_is_kept_as_it_is() {
        let body = quote!(async fn f() -> u8 { let x = ; foo( ) . });
        let Ok(function) = Function::parse(body.clone(), "cache_result") else {
            panic!("no function")
        };
        assert_eq!(function.to_token_stream().to_string(), body.to_string());
    }

    #[test]
    fn other_items_are_refused() {
        for item in [
            quote!(
                struct S;
            ),
            quote!(
                pub enum E {}
            ),
            quote!(impl S {}),
            quote!(
                const X: u8 = 1;
            ),
            quote!(let x = 1;),
        ] {
            let Err(error) = Function::parse(item.clone(), "cache_result") else {
                panic!("{item} is no function")
            };
            assert!(
                error
                    .to_string()
                    .starts_with("`#[cache_result]` goes on an `async fn`"),
                "{error}"
            );
        }
        assert!(
            Function::parse(
                quote!(
                    async fn f(&self);
                ),
                "cache_result"
            )
            .is_err()
        );
    }
}
