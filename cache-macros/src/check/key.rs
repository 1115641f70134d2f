//! The key of a cached function: which of the forms it has, and what it is made of.
//!
//! Whether the key takes every argument is judged elsewhere. The invariant is that a plan's text, literals and
//! namespace tell the same story.

use quote::quote;
use syn::{Expr, ExprClosure};

use super::coverage::Skipped;
use super::template::{Scope, resolve};
use crate::attr::CachedAttribute;
use crate::errors::{Errors, Message, list};
use crate::model::{Cached, KeyPlan, Namespace, Next, Part, Render, Source, Value};
use crate::signature::Binding;
use crate::suggest::nearest;
use crate::template::Flavor;

/// How the key comes about, unless that cannot be told.
pub(crate) fn plan(cached: &Cached, skipped: &Skipped, errors: &mut Errors) -> Option<KeyPlan> {
    let options = &cached.options;
    if options.key_is_unclear {
        if let Some(literal) = options.key.get() {
            resolve(literal, Flavor::Key, &scope(cached), errors);
        }
        return None;
    }
    if let CachedAttribute::LeadData = cached.attribute {
        return lead(cached, errors);
    }
    if let Some(literal) = options.key.get() {
        let parts = resolve(literal, Flavor::Key, &scope(cached), errors)?;
        let text = literal.value();
        return Some(KeyPlan {
            namespace: first_segment(&text),
            text,
            render: Render::Parts(parts),
        });
    }
    let prefix = match options.key_type.get() {
        Some(literal) => Some(key_type(literal, cached, errors)?),
        None if cached.attribute == CachedAttribute::SearchResults => Some("search".to_owned()),
        None => None,
    };
    let namespace = prefix.as_deref().map_or(Namespace::FunctionPath, first_segment);
    let shown = prefix.as_deref().unwrap_or_default();
    if let Some(function) = options.key_fn.get() {
        let arguments = sources(cached, skipped);
        if !takes(function, &arguments, cached, errors) {
            return None;
        }
        let text = format!("{shown}:{{key_fn}}");
        let render = Render::Custom {
            prefix,
            function: function.clone(),
            arguments,
        };
        return Some(KeyPlan {
            namespace,
            text,
            render,
        });
    }
    let arguments: Vec<usize> = skipped.kept_arguments(cached).collect();
    if let (CachedAttribute::SearchResults, Some(prefix)) = (cached.attribute, &prefix) {
        let text = format!("{prefix}:{{query_hash}}");
        return Some(KeyPlan {
            namespace,
            text,
            render: Render::QueryHash {
                prefix: prefix.clone(),
                arguments,
            },
        });
    }
    let mut text = shown.to_owned();
    let mut parts: Vec<Part> = prefix.into_iter().map(Part::Literal).collect();
    for index in arguments {
        let Some(binding) = cached.bindings.get(index) else {
            continue;
        };
        text.push_str(":{");
        text.push_str(&binding.plain_name());
        text.push('}');
        match parts.last_mut() {
            Some(Part::Literal(literal)) => literal.push(':'),
            _ => parts.push(Part::Literal(":".to_owned())),
        }
        parts.push(Part::Value(whole(index)));
    }
    Some(KeyPlan {
        namespace,
        text,
        render: Render::Parts(parts),
    })
}

fn scope(cached: &Cached) -> Scope<'_> {
    Scope {
        function: &cached.function,
        bindings: &cached.bindings,
        has_result: false,
        is_local: false,
    }
}

/// An argument as it is.
fn whole(index: usize) -> Value {
    Value {
        source: Source::Argument(index),
        members: Vec::new(),
        filter: None,
        next: Next::End,
        location: None,
    }
}

fn first_segment(text: &str) -> Namespace {
    Namespace::Text(text.split(':').next().unwrap_or_default().to_owned())
}

/// The text of `key_type`.
fn key_type(literal: &syn::LitStr, cached: &Cached, errors: &mut Errors) -> Option<String> {
    let parts = resolve(literal, Flavor::KeyType, &scope(cached), errors)?;
    if parts.iter().any(|part| matches!(part, Part::Value(_))) {
        let message = Message::new("`key_type` is plain text, it takes no placeholders")
            .help(format_args!("write `key = {}`", literal.token()));
        errors.push(message.on(literal));
        return None;
    }
    Some(literal.value())
}

/// `lead:{lead_id}`
fn lead(cached: &Cached, errors: &mut Errors) -> Option<KeyPlan> {
    let wanted = cached.options.id.get();
    let name = wanted.map_or("lead_id".to_owned(), |id| {
        syn::ext::IdentExt::unraw(id).to_string()
    });
    let found = cached
        .bindings
        .iter()
        .position(|binding| binding.plain_name() == name);
    let Some(index) = found else {
        errors.push(wanted.map_or_else(
            || no_lead_id(cached),
            |id| super::options::no_argument(cached, &name, id.span()),
        ));
        return None;
    };
    let parts = vec![Part::Literal("lead:".to_owned()), Part::Value(whole(index))];
    Some(KeyPlan {
        namespace: Namespace::Text("lead".to_owned()),
        text: format!("lead:{{{name}}}"),
        render: Render::Parts(parts),
    })
}

fn no_lead_id(cached: &Cached) -> syn::Error {
    let function = cached.function.name();
    let names: Vec<String> = cached.bindings.iter().map(Binding::plain_name).collect();
    let example = names.first().map_or("other_argument", String::as_str);
    let near = nearest("lead_id", names.iter().map(String::as_str)).unwrap_or(example);
    let message = Message::new(format_args!(
        "`{function}` has no argument `lead_id`, which would be its key"
    ))
    .help(format_args!("say which argument is the lead's id: `id = {near}`"));
    let message = if names.is_empty() {
        message.note("the function has no arguments")
    } else {
        message.note(format_args!("the arguments are: {}", list(&names)))
    };
    message.on(function)
}

/// What `key_fn` is called with: everything that is not skipped.
fn sources(cached: &Cached, skipped: &Skipped) -> Vec<Source> {
    let receiver = cached
        .function
        .receiver()
        .filter(|_| !skipped.receiver)
        .map(|_| Source::Receiver);
    receiver
        .into_iter()
        .chain(skipped.kept_arguments(cached).map(Source::Argument))
        .collect()
}

/// A closure shows how many arguments it takes; rustc's message about generated calls would help less.
fn takes(function: &Expr, arguments: &[Source], cached: &Cached, errors: &mut Errors) -> bool {
    let Expr::Closure(ExprClosure {
        inputs,
        inputs_begin,
        inputs_end,
        ..
    }) = function
    else {
        return true;
    };
    if inputs.len() == arguments.len() {
        return true;
    }
    let names: Vec<String> = arguments
        .iter()
        .filter_map(|source| match source {
            Source::Argument(index) => cached.bindings.get(*index).map(Binding::plain_name),
            Source::Receiver | Source::Generic(_) | Source::Result => Some("self".to_owned()),
        })
        .collect();
    let given = match inputs.len() {
        1 => "1 argument".to_owned(),
        n => format!("{n} arguments"),
    };
    let message = Message::new(format_args!(
        "`key_fn` takes {given}, but is called with what is not skipped"
    ));
    let message = if names.is_empty() {
        message
            .note("everything is skipped, or there are no arguments")
            .help("write `key_fn = || ..`")
    } else {
        message
            .note(format_args!("not skipped: {}", list(&names)))
            .help(format_args!(
                "write `key_fn = |{}| ..`, or skip what is not part of the key: `skip({})`",
                names.join(", "),
                names.join(", ")
            ))
    };
    errors.push(message.on(quote!(#inputs_begin #inputs #inputs_end)));
    false
}
