//! The owned form of a borrowed type, as messages suggest it: `String` for `&str`, `Arc<Db>` for `&Db`.
//!
//! A guess by names, since a macro knows no types. The invariant is that it is written as a user would write it.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Type, TypeReference};

use crate::signature::{first_type_argument, last_segment, ungrouped};

/// The type to take instead of a reference.
pub(super) fn owned(reference: &TypeReference) -> String {
    let behind = ungrouped(&reference.elem);
    if let Type::Reference(inner) = behind {
        return owned(inner);
    }
    if reference.mutability.is_some() {
        return format!("Arc<Mutex<{}>>", shown(behind));
    }
    if let Some(owned) = owned_unsized(behind) {
        return owned;
    }
    let shown = shown(behind);
    let is_owner =
        last_segment(Some(behind)).is_some_and(|segment| OWNERS.iter().any(|name| segment.ident == name));
    if is_owner || matches!(behind, Type::Array(_) | Type::Tuple(_)) {
        shown
    } else {
        format!("Arc<{shown}>")
    }
}

/// `String` for `str` and the like.
fn owned_unsized(ty: &Type) -> Option<String> {
    match ty {
        Type::Slice(slice) => Some(match ungrouped(&slice.elem) {
            Type::Reference(inner) => format!("Vec<{}>", owned(inner)),
            element => format!("Vec<{}>", shown(element)),
        }),
        Type::Path(path) => {
            let name = path
                .path
                .segments
                .last()
                .filter(|segment| segment.arguments.is_none())?;
            match name.ident.to_string().as_str() {
                "str" => Some("String".to_owned()),
                "Path" => Some("PathBuf".to_owned()),
                "OsStr" => Some("OsString".to_owned()),
                _ => None,
            }
        }
        _ => None,
    }
}

/// `String` for `Cow<'_, str>` and the like.
pub(super) fn owned_cow(ty: &Type) -> Option<String> {
    let segment = last_segment(Some(ty)).filter(|segment| segment.ident == "Cow")?;
    owned_unsized(ungrouped(first_type_argument(segment)?))
}

/// Types that are taken by value rather than shared.
const OWNERS: [&str; 24] = [
    "bool", "char", "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64", "i128", "isize",
    "f32", "f64", "String", "Vec", "Option", "Arc", "HashMap", "BTreeMap", "HashSet", "BTreeSet",
];

/// Tokens as one writes them: a space only between words, behind `,` and around operators.
pub(super) fn shown(tokens: &impl ToTokens) -> String {
    let mut text = String::new();
    write(tokens.to_token_stream(), &mut text);
    text.trim_end().to_owned()
}

fn write(tokens: TokenStream, text: &mut String) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                text.push_str(open);
                write(group.stream(), text);
                text.truncate(text.trim_end().len());
                text.push_str(close);
            }
            TokenTree::Punct(punct) => match punct.as_char() {
                c @ (',' | ';') => text.extend([c, ' ']),
                c @ ('+' | '=') => text.extend([' ', c, ' ']),
                c => text.push(c),
            },
            word => {
                if text.ends_with(|c: char| c.is_alphanumeric() || c == '_') && !text.ends_with('\'') {
                    text.push(' ');
                }
                text.push_str(&word.to_string());
            }
        }
    }
}
