//! `#[cache_impl]`: an `impl` block whose functions are expanded together.
//!
//! An attribute on a function can put items beside it, which an `impl` of a trait does not take, and which an associated
//! function without `self` cannot have for want of a place for its handle. On the block there is one: a second `impl` of
//! the type. Bodies stay tokens. The invariant is that all but the cached functions comes out as it was read.

use std::collections::BTreeSet;

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Generics, Meta, Token, Type, WhereClause, braced, token};

use crate::attr::CachedAttribute;
use crate::errors::Message;
use crate::expand::{parameter_name, words};
use crate::signature::{Function, Home, starts_function};

/// An `impl` block.
pub(crate) struct Block {
    attributes: Vec<Attribute>,
    unsafety: Option<Token![unsafe]>,
    keyword: Token![impl],
    generics: Generics,
    /// `Trait for`
    of: Option<(Type, Token![for])>,
    ty: Type,
    clause: Option<WhereClause>,
    brace: token::Brace,
    pub(crate) items: Vec<Item>,
}

/// What stands in a block.
pub(crate) enum Item {
    /// A function with an attribute that caches, and the options of that.
    Cached {
        attribute: CachedAttribute,
        options: TokenStream,
        function: Box<Function>,
    },
    Other(TokenStream),
}

impl Block {
    pub(crate) fn parse(item: TokenStream) -> syn::Result<Self> {
        syn::parse2::<Found>(item).and_then(|found| match found {
            Found::Block(block) => Ok(*block),
            Found::Other(at) => Err(Message::new("`#[cache_impl]` goes on an `impl` block")
                .help("on a function, put `#[cache_result]`")
                .into_error(at)),
        })
    }

    pub(crate) fn keyword(&self) -> proc_macro2::Span {
        self.keyword.span
    }

    /// The block with these items, and what stands beside them: in the block itself, or, as a trait says what may stand
    /// there, in one of its own.
    pub(crate) fn with(&self, items: &TokenStream, beside: &TokenStream) -> TokenStream {
        let Self {
            attributes,
            unsafety,
            keyword,
            generics,
            of,
            ty,
            clause,
            brace,
            ..
        } = self;
        let of_tokens = of.as_ref().map(|(path, keyword)| quote!(#path #keyword));
        let (inside, second) = if of.is_some() {
            (None, Some(self.second(beside)))
        } else {
            (Some(beside), None)
        };
        let mut body = TokenStream::new();
        brace.surround(&mut body, |tokens| {
            items.to_tokens(tokens);
            inside.to_tokens(tokens);
        });
        quote! {
            #(#attributes)* #unsafety #keyword #generics #of_tokens #ty #clause #body
            #second
        }
    }

    /// `impl<T> Type<T> where .. { beside }`, with the parameters that the type mentions.
    fn second(&self, beside: &TokenStream) -> TokenStream {
        let Self {
            generics, ty, clause, ..
        } = self;
        let mut mentioned = BTreeSet::new();
        words(ty.to_token_stream(), &mut mentioned);
        let (kept, dropped): (Vec<_>, Vec<_>) = generics
            .params
            .iter()
            .partition(|parameter| mentioned.contains(&parameter_name(parameter)));
        let dropped: Vec<String> = dropped.into_iter().map(parameter_name).collect();
        let predicates = clause
            .iter()
            .flat_map(|clause| &clause.predicates)
            .filter(|predicate| {
                let mut used = BTreeSet::new();
                words(predicate.to_token_stream(), &mut used);
                dropped.iter().all(|name| !used.contains(name))
            });
        quote! {
            #[automatically_derived]
            impl<#(#kept),*> #ty where #(#predicates,)* { #beside }
        }
    }
}

enum Found {
    Block(Box<Block>),
    Other(proc_macro2::Span),
}

impl Parse for Found {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attributes = input.call(Attribute::parse_outer)?;
        let start = input.span();
        let unsafety = input.parse()?;
        if !input.peek(Token![impl]) {
            input.parse::<TokenStream>()?;
            return Ok(Self::Other(start));
        }
        let keyword = input.parse()?;
        let mut generics = if starts_generics(input) {
            input.parse()?
        } else {
            Generics::default()
        };
        let first: Type = input.parse()?;
        let (of, ty) = if input.peek(Token![for]) {
            (Some((first, input.parse()?)), input.parse()?)
        } else {
            (None, first)
        };
        let clause = input.parse()?;
        generics.where_clause = None;
        let content;
        let brace = braced!(content in input);
        let home = if of.is_some() { Home::TraitImpl } else { Home::Impl };
        let mut items = Vec::new();
        while !content.is_empty() {
            items.push(item(&content, home)?);
        }
        Ok(Self::Block(Box::new(Block {
            attributes,
            unsafety,
            keyword,
            generics,
            of,
            ty,
            clause,
            brace,
            items,
        })))
    }
}

/// Whether `<` begins parameters, and not a type such as `<T as Trait>::Type`.
fn starts_generics(input: ParseStream<'_>) -> bool {
    input.peek(Token![<])
        && (input.peek2(Token![>])
            || input.peek2(Token![#])
            || input.peek2(Token![const])
            || input.peek2(syn::Lifetime)
            || (input.peek2(syn::Ident)
                && (input.peek3(Token![:])
                    || input.peek3(Token![,])
                    || input.peek3(Token![>])
                    || input.peek3(Token![=]))))
}

fn item(input: ParseStream<'_>, home: Home) -> syn::Result<Item> {
    let head = input.fork();
    let attributes = head.call(Attribute::parse_outer)?;
    head.parse::<syn::Visibility>()?;
    let ours = attributes
        .iter()
        .enumerate()
        .find_map(|(index, attribute)| Some((index, CachedAttribute::by_path(attribute.path())?)));
    let is_value = head.peek(Token![type]) || (head.peek(Token![const]) && !starts_function(&head));
    let tokens = one_item(input, is_value)?;
    let Some((index, attribute)) = ours else {
        return Ok(Item::Other(tokens));
    };
    let mut function = Function::parse(tokens, attribute.name())?;
    function.home = home;
    let written = function.attributes.get(index).map(|written| written.meta.clone());
    let options = match &written {
        Some(Meta::List(list)) => list.tokens.clone(),
        _ => TokenStream::new(),
    };
    // It stays where it is, so that its import is used; it has nothing left to do.
    if let (Some(place), Some(written)) = (function.attributes.get_mut(index), written) {
        let path = written.path();
        let done = Ident::new(DONE, Span::mixed_site());
        *place = syn::parse_quote!(#[#path(#done)]);
    }
    Ok(Item::Cached {
        attribute,
        options,
        function: Box::new(function),
    })
}

/// Stands for the options of an attribute that `#[cache_impl]` has expanded.
const DONE: &str = "__expanded_by_cache_impl";

/// Whether an attribute was expanded with its block.
pub(crate) fn is_done(options: &TokenStream) -> bool {
    let mut tokens = options.clone().into_iter();
    matches!((tokens.next(), tokens.next()), (Some(TokenTree::Ident(word)), None) if word == DONE)
}

/// The tokens up to the end of an item: a `;`, or the braces of a body.
fn one_item(input: ParseStream<'_>, is_value: bool) -> syn::Result<TokenStream> {
    let mut tokens = TokenStream::new();
    while !input.is_empty() {
        let token: TokenTree = input.parse()?;
        let ends = match &token {
            TokenTree::Punct(punct) => punct.as_char() == ';',
            TokenTree::Group(group) => group.delimiter() == proc_macro2::Delimiter::Brace && !is_value,
            _ => false,
        };
        tokens.extend([token]);
        if ends {
            break;
        }
    }
    Ok(tokens)
}
