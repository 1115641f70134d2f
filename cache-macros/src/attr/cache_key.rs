//! `#[cache_key(crate = "..")]`, which `#[derive(CacheKey)]` reads on a type.
//!
//! It says where generated code finds `cache_core` and nothing about the key. The invariant is that such an attribute
//! on a field or a variant is refused, since there it would do nothing.

use syn::{Attribute, DeriveInput, Meta, Path};

use super::slot::Slot;
use super::{Grammar, each_argument, option_name, value};
use crate::errors::{Errors, Message};

const GRAMMAR: Grammar = Grammar {
    name: "cache_key",
    options: &["crate"],
    takes_bare: false,
};

/// What was written on a type.
#[derive(Default)]
pub(crate) struct KeyPartOptions {
    pub(crate) krate: Slot<Path>,
}

/// Reads the options of a type.
pub(crate) fn parse(input: &DeriveInput, errors: &mut Errors) -> KeyPartOptions {
    let mut options = KeyPartOptions::default();
    for attribute in ours(&input.attrs) {
        let Meta::List(list) = &attribute.meta else {
            errors.push(empty().on(attribute));
            continue;
        };
        if list.tokens.is_empty() {
            errors.push(empty().on(attribute));
        }
        each_argument(list.tokens.clone(), errors, |input, errors| {
            let name = option_name(input, &GRAMMAR)?;
            let path = value::path(&name, input)?;
            options.krate.fill("crate", name.span(), path, errors);
            Ok(())
        });
    }
    options
}

/// The attributes that this derive reads.
pub(crate) fn ours(attributes: &[Attribute]) -> impl Iterator<Item = &Attribute> {
    attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident(GRAMMAR.name))
}

fn empty() -> Message {
    Message::new("`#[cache_key]` without an option does nothing")
        .help("remove it, or write `#[cache_key(crate = \"my_crate::cache_core\")]`")
}
