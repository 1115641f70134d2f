//! Rules on options that concern each other or the return type.
//!
//! What a single option may hold is judged where it is read. The invariant is that an option that would do
//! nothing is refused rather than ignored.

use proc_macro2::Span;

use super::returns;
use crate::attr::CachedAttribute;
use crate::errors::{Errors, Message, list};
use crate::model::Cached;
use crate::suggest::nearest;

pub(crate) fn agree(cached: &Cached, errors: &mut Errors) {
    one_kind_of_key(cached, errors);
    one_kind_of_ttl(cached, errors);
    none_can_happen(cached, errors);
    errors_can_happen(cached, errors);
    timeouts_are_of_use(cached, errors);
    popular_is_an_argument(cached, errors);
}

/// `key` says it all; the other two say it in parts.
fn one_kind_of_key(cached: &Cached, errors: &mut Errors) {
    let options = &cached.options;
    if options.key.span().is_none() {
        return;
    }
    if let Some(span) = options.key_fn.span() {
        let message = Message::new("`key` and `key_fn` both say what the key is").help("keep one of the two");
        errors.push(message.into_error(span));
    }
    if let Some(span) = options.key_type.span() {
        let message = Message::new("`key` begins with the namespace, so `key_type` says it twice")
            .help("remove `key_type`, or remove `key` to have the key made of all arguments");
        errors.push(message.into_error(span));
    }
}

/// What computes it for every value leaves nothing to the other.
fn one_kind_of_ttl(cached: &Cached, errors: &mut Errors) {
    let options = &cached.options;
    if let (Some(span), Some(_)) = (options.ttl.span(), options.ttl_from.span()) {
        let message =
            Message::new("`ttl` does nothing here, `ttl_from` says for each value how long it is fresh")
                .help("keep one of the two");
        errors.push(message.into_error(span));
    }
}

fn none_can_happen(cached: &Cached, errors: &mut Errors) {
    if let Some(span) = cached.options.none_ttl.span()
        // Of elements that the body does not return.
        && cached.each.is_none()
        && returns::is_never_none(&cached.function)
    {
        let message = Message::new(format_args!(
            "`none_ttl` does nothing here, `{}` does not return an `Option`",
            cached.function.name()
        ))
        .help("remove it, or return `Option<..>`");
        errors.push(message.into_error(span));
    }
}

/// What is done about errors needs one.
fn errors_can_happen(cached: &Cached, errors: &mut Errors) {
    // A response has a status, whatever it is made of.
    if cached.attribute == CachedAttribute::Response || !returns::is_never_an_error(&cached.function) {
        return;
    }
    let name = cached.function.name();
    if let Some(span) = cached.options.stale_if_error.span() {
        let message = Message::new(format_args!(
            "`stale_if_error` does nothing here, `{name}` does not return a `Result`"
        ))
        .help("remove it, or return `Result<.., ..>`");
        errors.push(message.into_error(span));
    }
    if let Some(span) = cached.options.hard_timeout.span() {
        let message = Message::new(format_args!(
            "`hard_timeout` has no error to return, `{name}` does not return a `Result`"
        ))
        .help("remove it, or return `Result<.., E>` where `E: From<cache_core::SharedError>`");
        errors.push(message.into_error(span));
    }
}

/// A stale value must be at hand when the first time is up, and the second must not be up by then.
fn timeouts_are_of_use(cached: &Cached, errors: &mut Errors) {
    let options = &cached.options;
    let Some(soft) = options.soft_timeout.get() else {
        return;
    };
    let serves_stale = options
        .stale_if_error
        .span()
        .or(options.stale_while_revalidate.span());
    if let (None, Some(span)) = (serves_stale, options.soft_timeout.span()) {
        let message = Message::new(
            "`soft_timeout` does nothing here, no option says how long a stale value may be served",
        )
        .help("remove it, or add `stale_if_error = \"1h\"` or `stale_while_revalidate = \"1h\"`");
        errors.push(message.into_error(span));
    }
    if options
        .hard_timeout
        .get()
        .is_some_and(|hard| hard.millis <= soft.millis)
    {
        let message = Message::new(
            "`soft_timeout` is not shorter than `hard_timeout`, so no stale value would be served in time",
        )
        .help("make `soft_timeout` shorter, or `hard_timeout` longer");
        errors.push(message.into_error(soft.span));
    }
}

fn popular_is_an_argument(cached: &Cached, errors: &mut Errors) {
    let Some(name) = cached.options.popular.get() else {
        return;
    };
    if !cached.bindings.iter().any(|binding| binding.name == *name) {
        errors.push(no_argument(cached, &name.to_string(), name.span()));
    }
}

/// The message for a name, given as a token, that no argument has.
pub(crate) fn no_argument(cached: &Cached, name: &str, span: Span) -> syn::Error {
    let names: Vec<String> = cached
        .bindings
        .iter()
        .map(|binding| binding.name.to_string())
        .collect();
    let near = nearest(name, names.iter().map(String::as_str));
    let message = Message::new(format_args!(
        "`{name}` is not an argument of `{}`",
        cached.function.name()
    ))
    .help_if(near.map(|near| format!("an argument with a similar name exists: `{near}`")));
    let message = if names.is_empty() {
        message.note("the function has no arguments")
    } else {
        message.note(format_args!("the arguments are: {}", list(&names)))
    };
    message.into_error(span)
}
