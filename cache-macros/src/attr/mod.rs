//! What stands in the parentheses of an attribute: options, read into slots.
//!
//! One file for each attribute says which options it takes; nothing here relates options to each other or to
//! the function, that is what the checks do. The invariant is that reading goes on behind a mistake, so that one
//! run reports all of them, and that an option that an attribute does not take is never skipped silently.

mod cache_key;
mod cache_lead_data;
mod cache_response;
mod cache_result;
mod cache_search_results;
mod fraction;
mod invalidate_cache;
mod options;
mod slot;
mod tags;
mod value;

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use syn::parse::{ParseStream, Parser};
use syn::{Token, token};

pub(crate) use cache_key::{ours as cache_key_attributes, parse as parse_cache_key};
pub(crate) use invalidate_cache::{
    InvalidateOptions, MethodOwner, Target, parse as parse_invalidate, parse_one as parse_target,
};
pub(crate) use options::{CachedOptions, Tier};
pub(crate) use slot::Slot;
pub(crate) use value::{EachOption, Fixed, Ttl};

use crate::errors::{Errors, Message, list};
use crate::suggest::nearest;

/// The attributes that put a cache around a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CachedAttribute {
    Result,
    SearchResults,
    LeadData,
    Response,
}

impl CachedAttribute {
    const ALL: [Self; 4] = [Self::Result, Self::SearchResults, Self::LeadData, Self::Response];

    /// The attribute that a path names by its last segment.
    pub(crate) fn by_path(path: &syn::Path) -> Option<Self> {
        let name = &path.segments.last()?.ident;
        Self::ALL.into_iter().find(|attribute| name == attribute.name())
    }

    pub(crate) fn name(self) -> &'static str {
        self.grammar().name
    }

    fn grammar(self) -> &'static Grammar {
        match self {
            Self::Result => &cache_result::GRAMMAR,
            Self::SearchResults => &cache_search_results::GRAMMAR,
            Self::LeadData => &cache_lead_data::GRAMMAR,
            Self::Response => &cache_response::GRAMMAR,
        }
    }
}

/// What one attribute takes.
struct Grammar {
    /// The attribute's name.
    name: &'static str,
    /// Its options, in the order in which messages list them.
    options: &'static [&'static str],
    /// Whether a first string without a name is `key_type`, and a closure without one is `key_fn`.
    takes_bare: bool,
}

/// Reads the options of an attribute that caches.
pub(crate) fn parse_cached(
    attribute: CachedAttribute,
    tokens: TokenStream,
    errors: &mut Errors,
) -> CachedOptions {
    let grammar = attribute.grammar();
    let mut options = CachedOptions::default();
    each_argument(tokens, errors, |input, errors| {
        if grammar.takes_bare && (input.peek(syn::LitStr) || starts_closure(input)) {
            return options
                .bare(input, errors)
                .inspect_err(|_| options.key_is_unclear = true);
        }
        let name = option_name(input, grammar).inspect_err(|_| options.key_is_unclear = true)?;
        let is_about_key = ["key", "key_type", "key_fn", "id", "skip"]
            .iter()
            .any(|option| name == option);
        options.named(&name, input, errors).inspect_err(|_| {
            options.key_is_unclear |= is_about_key;
            options.each_is_unclear |= name == "each";
        })
    });
    options
}

fn starts_closure(input: ParseStream<'_>) -> bool {
    input.peek(Token![|]) || input.peek(Token![||]) || input.peek(Token![move])
}

/// Runs `read` on each argument between top-level commas. Behind a mistake it goes on at the next comma.
fn each_argument(
    tokens: TokenStream,
    errors: &mut Errors,
    mut read: impl FnMut(ParseStream<'_>, &mut Errors) -> syn::Result<()>,
) {
    let parser = |input: ParseStream<'_>| {
        while !input.is_empty() {
            match read(input, errors) {
                Ok(()) if input.is_empty() || input.peek(Token![,]) => {}
                Ok(()) => errors.at(input.span(), "expected `,`"),
                Err(error) => errors.push(error),
            }
            skip_to_comma(input)?;
            input.parse::<Option<Token![,]>>()?;
        }
        Ok(())
    };
    if let Err(error) = parser.parse2(tokens) {
        errors.push(error);
    }
}

fn skip_to_comma(input: ParseStream<'_>) -> syn::Result<()> {
    while !input.is_empty() && !input.peek(Token![,]) {
        input.parse::<TokenTree>()?;
    }
    Ok(())
}

/// Reads the name of an option that the attribute takes.
fn option_name(input: ParseStream<'_>, grammar: &Grammar) -> syn::Result<Ident> {
    use syn::ext::IdentExt;
    let Ok(name) = input.call(Ident::parse_any) else {
        let message = Message::new("expected the name of an option").note(takes(grammar));
        return Err(message.into_error(input.span()));
    };
    let text = name.to_string();
    if grammar.options.contains(&text.as_str()) {
        return Ok(name);
    }
    Err(unknown_option(&text, name.span(), grammar))
}

fn takes(grammar: &Grammar) -> String {
    format!("`#[{}]` takes {}", grammar.name, list(grammar.options))
}

/// The nearest option of this attribute, or the attribute that has this very option.
fn unknown_option(name: &str, span: Span, grammar: &Grammar) -> syn::Error {
    let message = Message::new(format_args!("unknown option `{name}`"));
    let near = nearest(name, grammar.options.iter().copied());
    let owner = CachedAttribute::ALL
        .map(CachedAttribute::grammar)
        .into_iter()
        .find(|other| other.options.contains(&name));
    let message = match (near, owner) {
        (_, Some(owner)) => message.help(format_args!("`{name}` is an option of `#[{}]`", owner.name)),
        (Some(near), None) => message.help(format_args!("an option with a similar name exists: `{near}`")),
        (None, None) => message,
    };
    message.note(takes(grammar)).into_error(span)
}

/// Reads the `=` of an option, and checks that a value follows.
fn equals(name: &Ident, example: &str, input: ParseStream<'_>) -> syn::Result<()> {
    let missing = |span: Span| {
        Err(Message::new(format_args!("`{name}` needs a value"))
            .help(format_args!("write `{name} = {example}`"))
            .into_error(span))
    };
    if !input.peek(Token![=]) {
        return missing(name.span());
    }
    let equals: Token![=] = input.parse()?;
    if input.is_empty() || input.peek(Token![,]) {
        return missing(equals.span);
    }
    Ok(())
}

/// Reads `(..)` of an option such as `skip(a, b)`.
fn parenthesized<'a>(
    name: &Ident,
    example: &str,
    input: ParseStream<'a>,
) -> syn::Result<syn::parse::ParseBuffer<'a>> {
    if !input.peek(token::Paren) {
        let message = Message::new(format_args!("`{name}` takes names in parentheses"))
            .help(format_args!("write `{name}({example})`"));
        return Err(message.into_error(name.span()));
    }
    let content;
    syn::parenthesized!(content in input);
    Ok(content)
}
