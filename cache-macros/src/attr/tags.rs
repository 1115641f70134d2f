//! The value of `tags`, of the attributes that cache and of the one that invalidates.
//!
//! Only a list of literals; what their placeholders mean is for the checks. The invariant is that a list that was
//! read names a tag, and none twice.

use proc_macro2::{Ident, Span, TokenStream};
use syn::parse::ParseStream;
use syn::spanned::Spanned;
use syn::{Expr, LitStr, Token, token};

use super::equals;
use crate::errors::Message;

/// `tags = ["city:{city}"]`
pub(super) fn list(name: &Ident, input: ParseStream<'_>) -> syn::Result<Vec<LitStr>> {
    let example = "[\"city:{city}\"]";
    equals(name, example, input)?;
    let wrong = |span: Span| {
        Message::new("`tags` is a list of string literals")
            .help(format_args!("write `tags = {example}`"))
            .into_error(span)
    };
    if !input.peek(token::Bracket) {
        return Err(wrong(input.parse::<Expr>()?.span()));
    }
    let content;
    let bracket = syn::bracketed!(content in input);
    let mut tags = Vec::new();
    while !content.is_empty() {
        if !content.peek(LitStr) {
            let span = content.span();
            content.parse::<TokenStream>()?;
            return Err(wrong(span));
        }
        let tag: LitStr = content.parse()?;
        if tags.iter().any(|earlier: &LitStr| earlier.value() == tag.value()) {
            let message = Message::new(format_args!("the tag `{}` is listed twice", tag.value()))
                .help("remove one of the two");
            content.parse::<TokenStream>()?;
            return Err(message.into_error(tag.span()));
        }
        tags.push(tag);
        if !content.is_empty() {
            content.parse::<Token![,]>()?;
        }
    }
    if tags.is_empty() {
        let message = Message::new("`tags` is empty, so it does nothing").help("remove it, or name a tag");
        return Err(message.into_error(bracket.span.join()));
    }
    Ok(tags)
}
