//! The rules: from what was written to what may be expanded.
//!
//! One file for each kind of rule, one function for each rule; reading and generating are elsewhere. The
//! invariant is that every rule that can be judged is judged, whatever the others found, and that a plan whose
//! names are resolved is returned even when a rule is broken, so that callers of the function get no errors that
//! only follow from ours.

mod background;
mod coverage;
mod key;
mod key_part;
mod options;
mod owned;
mod returns;
mod tags;
mod targets;
mod template;

pub(crate) use key_part::key_part;
#[cfg(test)]
pub(crate) use template::{Scope, resolve};

use crate::attr::CachedAttribute;
use crate::errors::{Errors, Message};
use crate::model::{Cached, CachedPlan, Invalidator, TargetPlan};
use crate::signature::Function;

/// Judges a cached function.
pub(crate) fn cached(cached: &Cached, errors: &mut Errors) -> Option<CachedPlan> {
    is_async(&cached.function, cached.attribute.name(), errors);
    if cached.attribute != CachedAttribute::Response {
        returns::can_be_stored(&cached.function, errors);
    }
    options::agree(cached, errors);
    background::nothing_is_borrowed(cached, errors);
    let skipped = coverage::skipped(cached, errors);
    let key = key::plan(cached, &skipped, errors);
    let tags = tags::plan(cached, errors);
    let key = key?;
    coverage::skip_and_key_are_apart(cached, &key, &skipped, errors);
    coverage::everything_counts(cached, &key, &skipped, errors);
    // A handle that takes the argument by reference would give errors of its own.
    coverage::nothing_keyed_is_mutable(cached, &key, errors).then_some(CachedPlan { key, tags })
}

/// Judges an invalidator.
pub(crate) fn invalidator(invalidator: &Invalidator, errors: &mut Errors) -> Vec<TargetPlan> {
    is_async(&invalidator.function, "invalidate_cache", errors);
    returns::is_named(&invalidator.function, errors);
    targets::plan(invalidator, errors)
}

fn is_async(function: &Function, attribute: &str, errors: &mut Errors) {
    if function.signature.asyncness.is_none() {
        let name = function.name();
        let message = Message::new(format_args!(
            "`#[{attribute}]` needs an `async fn`, `{name}` is not async"
        ))
        .help(format_args!("write `async fn {name}`"));
        errors.push(message.into_error(function.signature.fn_token.span));
    }
}
