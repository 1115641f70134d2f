//! Tokens as people write them, for the catalogue.
//!
//! Not code that is compiled. The invariant is that the text has no line breaks, and spaces only where a person would
//! put them or two words would become one.

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};
use quote::ToTokens;

/// Input: `Vec < (& 'a str , Option < u8 >) >`
/// Output: `Vec<(&'a str, Option<u8>)>`
pub(crate) fn words(tokens: &impl ToTokens) -> String {
    let mut text = String::new();
    write(tokens.to_token_stream(), &mut text);
    text
}

fn write(tokens: TokenStream, text: &mut String) {
    let mut operator = String::new();
    // The name of a lifetime follows its tick at once.
    let mut ticked = false;
    for token in tokens {
        match token {
            TokenTree::Punct(punct) if punct.as_char() == '\'' => {
                apart(text);
                text.push('\'');
                ticked = true;
                continue;
            }
            TokenTree::Punct(punct) => {
                operator.push(punct.as_char());
                if punct.spacing() == Spacing::Alone {
                    spaced(&std::mem::take(&mut operator), text);
                }
            }
            TokenTree::Group(group) => {
                spaced(&std::mem::take(&mut operator), text);
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::None => ("", ""),
                };
                text.push_str(open);
                write(group.stream(), text);
                text.push_str(close);
            }
            word => {
                spaced(&std::mem::take(&mut operator), text);
                if !ticked {
                    apart(text);
                }
                text.push_str(&word.to_string());
            }
        }
        ticked = false;
    }
    spaced(&operator, text);
}

/// Keeps the next word from becoming one with the last.
fn apart(text: &mut String) {
    if text.ends_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '"' | '\'')) {
        text.push(' ');
    }
}

fn spaced(operator: &str, text: &mut String) {
    match operator {
        "+" | "=" | "->" | "==" | "=>" | "||" | "&&" => {
            text.push(' ');
            text.push_str(operator);
            text.push(' ');
        }
        operator => {
            text.push_str(operator);
            if operator.ends_with([',', ';']) {
                text.push(' ');
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use quote::quote;

    use super::words;

    #[test]
    fn types_and_calls_are_written_as_people_do() {
        let cases = [
            (quote!(Vec<(&'a str, Option<u8>)>), "Vec<(&'a str, Option<u8>)>"),
            (quote!(std::sync::Arc<[u8; 4]>), "std::sync::Arc<[u8; 4]>"),
            (
                quote!(Box<dyn Fn(&'static str) -> T + Send>),
                "Box<dyn Fn(&'static str) -> T + Send>",
            ),
            (
                quote!(leads::get_lead::<T>(&patch.id, "x", 5)),
                "leads::get_lead::<T>(&patch.id, \"x\", 5)",
            ),
            (quote!(self.repo.get(..)), "self.repo.get(..)"),
            (
                quote!(<Repo as Store>::get(id as u64)),
                "<Repo as Store>::get(id as u64)",
            ),
        ];
        for (tokens, text) in cases {
            assert_eq!(words(&tokens), text);
        }
    }
}
