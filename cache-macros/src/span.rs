//! Places in string literals: a byte range of the unescaped text becomes a span, or a drawing.
//!
//! Not the wording of messages. Compilers that cannot give a span inside of a literal give the whole literal;
//! the place is then drawn into the message. The invariant is that a drawing has one mark below each column of
//! the place, at least one.

use std::ops::Range;

use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::LitStr;

use crate::errors::Message;

/// A location of the user's with the hygiene of the macro: names that the macro makes up are seen by nobody
/// else, while messages still point at the user's text.
pub(crate) fn mixed(location: Span) -> Span {
    location.resolved_at(Span::mixed_site())
}

/// Where tokens begin. Compilers give no span of several tokens to a macro.
pub(crate) fn first(tokens: &impl ToTokens) -> Span {
    match tokens.to_token_stream().into_iter().next() {
        None => Span::call_site(),
        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::None => first(&group.stream()),
        Some(TokenTree::Group(group)) => group.span_open(),
        Some(token) => token.span(),
    }
}

/// The same tokens at another location; each keeps its own hygiene.
pub(crate) fn relocate(tokens: TokenStream, location: Span) -> TokenStream {
    tokens
        .into_iter()
        .map(|mut token| {
            if let TokenTree::Group(group) = &token {
                let mut moved = Group::new(group.delimiter(), relocate(group.stream(), location));
                moved.set_span(location.resolved_at(group.span()));
                return TokenTree::Group(moved);
            }
            token.set_span(location.resolved_at(token.span()));
            token
        })
        .collect()
}

/// An error about a part of a literal. `message` makes the message around the drawing of the place.
pub(crate) fn error_in(
    literal: &LitStr,
    range: Range<usize>,
    what: impl std::fmt::Display,
    rest: impl FnOnce(Message) -> Message,
) -> syn::Error {
    let message = Message::new(what);
    match subspan(literal, range.clone()) {
        Some(span) => rest(message).into_error(span),
        None => rest(draw(message, &literal.value(), range)).into_error(literal.span()),
    }
}

/// The span of a place in a literal, where the compiler can tell.
fn subspan(literal: &LitStr, range: Range<usize>) -> Option<Span> {
    let token = literal.token();
    let source = token.to_string();
    let before = source.find('"')? + 1;
    // Escapes make the places of text and source differ; raw strings have none.
    if !source.starts_with('r') && source.contains('\\') {
        return None;
    }
    token.subspan(range.start + before..range.end + before)
}

/// Adds the text with the place marked below it.
fn draw(message: Message, text: &str, range: Range<usize>) -> Message {
    let mut line = String::from("    \"");
    let mut marks = String::from("     ");
    for (at, c) in text.char_indices() {
        let shown: String = if c.is_control() {
            c.escape_default().collect()
        } else {
            c.into()
        };
        let mark = if range.contains(&at) { '^' } else { ' ' };
        marks.extend(std::iter::repeat_n(mark, shown.chars().map(width).sum()));
        line.push_str(&shown);
    }
    line.push('"');
    if !marks.contains('^') {
        marks.push('^');
    }
    message.line(line).line(marks.trim_end())
}

/// Columns of a character in a terminal: combining marks have none, ideographs and pictures two.
fn width(c: char) -> usize {
    match c {
        '\u{300}'..='\u{36f}' | '\u{200b}'..='\u{200f}' | '\u{fe00}'..='\u{fe0f}' => 0,
        '\u{1100}'..='\u{115f}'
        | '\u{2e80}'..='\u{a4cf}'
        | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}'
        | '\u{ff00}'..='\u{ff60}'
        | '\u{1f300}'..='\u{1faff}'
        | '\u{20000}'..='\u{3fffd}' => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::draw;
    use crate::errors::Message;

    #[test]
    fn the_place_is_marked_below_the_text() {
        let drawn = draw(Message::new("no"), "lead:{leadid}", 6..12).to_string();
        assert_eq!(drawn, "no\n    \"lead:{leadid}\"\n           ^^^^^^");
    }

    #[test]
    fn wide_and_combining_letters_keep_the_marks_in_place() {
        let drawn = draw(Message::new("no"), "地e\u{301}:{x}", 8..9).to_string();
        assert_eq!(drawn, "no\n    \"地e\u{301}:{x}\"\n          ^");
    }

    #[test]
    fn an_empty_place_is_marked_all_the_same() {
        assert_eq!(
            draw(Message::new("no"), "", 0..0).to_string(),
            "no\n    \"\"\n     ^"
        );
    }
}
