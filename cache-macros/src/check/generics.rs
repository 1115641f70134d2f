//! Every type and constant that a function is generic over is told by its key, or is said not to matter.
//!
//! A type that the keyed arguments mention is told by them. The invariant is that what the key does not tell apart is
//! mentioned by nothing but skipped arguments, or named in `skip`.

use std::collections::BTreeSet;

use quote::ToTokens;
use syn::{FnArg, GenericParam};

use super::coverage::{Skipped, skip_with};
use crate::errors::{Errors, Message};
use crate::expand::{parameter_name, words};
use crate::model::{Cached, KeyPlan, Render};

/// What the keyed arguments do not determine, is not in the key, and is not skipped, is a mistake.
pub(super) fn are_told_apart(cached: &Cached, plan: &KeyPlan, skipped: &Skipped, errors: &mut Errors) {
    let parameters = &cached.function.signature.generics.params;
    if parameters.is_empty() {
        return;
    }
    let mut told = BTreeSet::new();
    for input in &cached.function.signature.inputs {
        if let FnArg::Typed(parameter) = input {
            words(parameter.ty.to_token_stream(), &mut told);
        }
    }
    // Bounds tie parameters together: `F: Fn() -> R` has `R` go with `F`.
    loop {
        let before = told.len();
        for parameter in parameters {
            if told.contains(&parameter_name(parameter)) {
                words(parameter.to_token_stream(), &mut told);
            }
        }
        for predicate in cached
            .function
            .signature
            .generics
            .where_clause
            .iter()
            .flat_map(|clause| &clause.predicates)
        {
            if let syn::WherePredicate::Type(predicate) = predicate {
                let mut of = BTreeSet::new();
                words(predicate.bounded_ty.to_token_stream(), &mut of);
                let is_told = parameters
                    .iter()
                    .map(parameter_name)
                    .any(|name| of.contains(&name) && told.contains(&name));
                if is_told {
                    words(predicate.bounds.to_token_stream(), &mut told);
                }
            }
        }
        if told.len() == before {
            break;
        }
    }
    let keyed: Vec<usize> = plan.generics().collect();
    for (index, parameter) in parameters.iter().enumerate() {
        let name = parameter_name(parameter);
        let kind = match parameter {
            GenericParam::Lifetime(_) => continue,
            GenericParam::Type(_) => "type",
            GenericParam::Const(_) => "constant",
        };
        if keyed.contains(&index)
            || skipped.generics().any(|skipped| skipped == index)
            || told.contains(&name)
        {
            continue;
        }
        let message = Message::new(format_args!(
            "{kind} `{name}` is not part of the cache key, so calls that differ only in `{name}` would share one entry"
        ));
        let message = match &plan.render {
            Render::Parts(_) if cached.options.key.get().is_some() => message.help(format_args!(
                "add it to the template: `\"{}:{{{name}}}\"`",
                plan.text
            )),
            _ => message.help(format_args!("write a `key` that has `{{{name}}}` in it")),
        };
        let message = message.help(format_args!(
            "or, if it cannot change the result, say so: `{}`",
            skip_with(cached, &name)
        ));
        let ident = match parameter {
            GenericParam::Type(parameter) => &parameter.ident,
            GenericParam::Const(parameter) => &parameter.ident,
            GenericParam::Lifetime(_) => continue,
        };
        errors.push(message.into_error(ident.span()));
    }
}
