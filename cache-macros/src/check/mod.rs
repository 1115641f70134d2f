//! The rules: from what was written to what may be expanded.
//!
//! One file for each kind of rule, one function for each rule; reading and generating are elsewhere. The
//! invariant is that every rule that can be judged is judged, whatever the others found, and that a plan whose
//! names are resolved is returned even when a rule is broken, so that callers of the function get no errors that
//! only follow from ours.

mod background;
mod coverage;
mod each;
mod generics;
mod home;
mod key;
mod key_part;
mod options;
mod owned;
mod returns;
mod tags;
mod targets;
mod template;

pub(crate) use each::resolved as each;
pub(crate) use home::{cache_impl, has_place_for_a_handle};
pub(crate) use key_part::key_part;
pub(crate) use returns::KNOWN_VALUES;
#[cfg(test)]
pub(crate) use template::{Scope, resolve};

use syn::LitStr;

use crate::attr::CachedAttribute;
use crate::errors::{Errors, Message};
use crate::model::{Cached, CachedPlan, Invalidator, Part, TargetPlan};
use crate::signature::Function;
use crate::template::Flavor;

/// Judges a cached function.
pub(crate) fn cached(cached: &Cached, errors: &mut Errors) -> Option<CachedPlan> {
    is_async(&cached.function, cached.attribute.name(), errors);
    if cached.attribute != CachedAttribute::Response {
        returns::can_be_stored(&cached.function, errors);
    }
    options::agree(cached, errors);
    each::agrees(cached, errors);
    background::nothing_is_borrowed(cached, errors);
    let skipped = coverage::skipped(cached, errors);
    if cached.options.each_is_unclear || cached.each.is_some() != cached.options.each.get().is_some() {
        // Nothing can be said about templates that name the element.
        return None;
    }
    let key = key::plan(cached, &skipped, errors);
    let tags = tags::plan(cached, errors);
    let key = key?;
    coverage::skip_and_key_are_apart(cached, &key, &skipped, errors);
    coverage::the_element_counts(cached, &key, &skipped, errors);
    coverage::everything_counts(cached, &key, &skipped, errors);
    generics::are_told_apart(cached, &key, &skipped, errors);
    // A handle that takes the argument by reference would give errors of its own.
    coverage::nothing_keyed_is_mutable(cached, &key, errors).then_some(CachedPlan { key, tags })
}

/// Judges the template of `key!`.
pub(crate) fn key_macro(literal: &LitStr, around: &Invalidator, errors: &mut Errors) -> Option<Vec<Part>> {
    let scope = template::Scope {
        function: &around.function,
        bindings: &around.bindings,
        has_result: false,
        is_local: true,
    };
    template::resolve(literal, Flavor::Key, &scope, errors)
}

/// Judges an invalidator.
pub(crate) fn invalidator(invalidator: &Invalidator, errors: &mut Errors) -> Vec<TargetPlan> {
    if !invalidator.is_local {
        is_async(&invalidator.function, invalidator.name, errors);
        returns::is_named(&invalidator.function, errors);
    }
    targets::plan(invalidator, errors)
}

fn is_async(function: &Function, attribute: &str, errors: &mut Errors) {
    if function.signature.asyncness.is_none() && !function.is_boxed() {
        let name = function.name();
        let message = Message::new(format_args!(
            "`#[{attribute}]` needs an `async fn`, `{name}` is not async"
        ))
        .help(format_args!("write `async fn {name}`"));
        errors.push(message.into_error(function.signature.fn_token.span));
    }
}
