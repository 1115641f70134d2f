//! Where a cached function stands: its handle needs a place that some `impl` blocks do not have.
//!
//! What an attribute on a function cannot see is guessed from the source. The invariant is that a block with
//! `#[cache_impl]` is never refused.

use std::collections::BTreeSet;

use proc_macro2::TokenStream;
use quote::ToTokens;

use crate::errors::{Errors, Message};
use crate::expand::words;
use crate::impl_block::{Block, Item};
use crate::model::Cached;
use crate::signature::Home;
use crate::surroundings::{self, block_around};

/// Methods of traits and associated functions need `#[cache_impl]`.
pub(crate) fn has_place_for_a_handle(cached: &Cached, errors: &mut Errors) -> bool {
    let function = &cached.function;
    let may_be_of_a_trait = matches!(function.visibility, syn::Visibility::Inherited);
    if function.home != Home::Anywhere || (function.receiver().is_some() && !may_be_of_a_trait) {
        return true;
    }
    let name = function.name();
    let block = block_around(function.signature.fn_token.span);
    let what = match (block, function.receiver()) {
        (Some(surroundings::Block::OfATrait), _) => format!(
            "`{name}` stands in an `impl` of a trait, which has no place for what `#[{}]` puts beside it",
            cached.attribute.name()
        ),
        (Some(surroundings::Block::Trait), None) => {
            let message = Message::new(format_args!(
                "`{name}` is declared in a trait and has no `self`, so there is no type that `#[{}]` could put anything beside",
                cached.attribute.name()
            ))
            .help("put it on the implementation, in a block with `#[cache_impl]`");
            errors.push(message.on(name));
            return false;
        }
        (_, Some(_)) => return true,
        (None, None) if !mentions_self(&function.signature) => return true,
        (_, None) => format!(
            "`{name}` is a function of a type and has no `self`, so `#[{}]` alone cannot tell which type",
            cached.attribute.name()
        ),
    };
    let message = Message::new(what).help("put `#[cache_impl]` on the `impl` block");
    errors.push(message.on(name));
    false
}

fn mentions_self(signature: &syn::Signature) -> bool {
    let mut used = BTreeSet::new();
    words(signature.to_token_stream(), &mut used);
    used.contains("Self")
}

/// `#[cache_impl]` takes no options, and a block without a cached function needs none.
pub(crate) fn cache_impl(options: &TokenStream, block: &Block) -> Errors {
    let mut errors = Errors::default();
    if !options.is_empty() {
        let message = Message::new("`#[cache_impl]` takes no options")
            .help("options go on the functions: `#[cache_result(key = ..)]`");
        errors.push(message.on(options));
    }
    if !block.items.iter().any(|item| matches!(item, Item::Cached { .. })) {
        let message = Message::new("`#[cache_impl]` does nothing here, no function of this block is cached")
            .help("remove it, or put `#[cache_result]` on a function");
        errors.push(message.into_error(block.keyword()));
    }
    errors
}
