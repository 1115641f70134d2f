//! Rules on types that derive `CacheKey`.
//!
//! Whether the fields are key parts is left to the trait. The invariant is that nothing is refused but what has no
//! key form at all, and attributes that would do nothing.

use syn::{Data, DeriveInput, Fields};

use crate::attr;
use crate::errors::{Errors, Message};

/// Judges a type, and says whether it can have a key form.
pub(crate) fn key_part(input: &DeriveInput, errors: &mut Errors) -> bool {
    match &input.data {
        Data::Struct(data) => no_attributes(&data.fields, errors),
        Data::Enum(data) => {
            for variant in &data.variants {
                refuse("variant", &variant.attrs, errors);
                no_attributes(&variant.fields, errors);
            }
        }
        Data::Union(data) => {
            let message =
                Message::new("a union cannot derive `CacheKey`, nothing tells which of its fields is set")
                    .help("derive it for an enum, or implement `cache_core::CacheKey` for the union");
            errors.push(message.into_error(data.union_token.span));
            return false;
        }
    }
    true
}

fn no_attributes(fields: &Fields, errors: &mut Errors) {
    for field in fields {
        refuse("field", &field.attrs, errors);
    }
}

fn refuse(kind: &str, attributes: &[syn::Attribute], errors: &mut Errors) {
    for attribute in attr::cache_key_attributes(attributes) {
        let message = Message::new(format_args!(
            "`#[cache_key(..)]` goes on the type, a {kind} has no options"
        ))
        .help("every field counts; to leave some out, implement `cache_core::CacheKey` by hand");
        errors.push(message.on(attribute));
    }
}
