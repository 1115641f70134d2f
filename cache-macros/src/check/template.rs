//! Names in templates: each placeholder becomes an argument, `self`, or the result.
//!
//! Whether types fit is for rustc to find. The invariant is that parts are returned only when every placeholder
//! was resolved, and that each knows what follows it.

use syn::{GenericParam, LitStr};

use crate::errors::{Errors, Message, list};
use crate::expand::parameter_name;
use crate::model::{Next, Part, Source, Value};
use crate::signature::{Binding, Function, member};
use crate::span::{error_in, mixed};
use crate::suggest::nearest;
use crate::template::{Filter, Flavor, Part as Parsed, Placeholder, parse};

/// The names that a template may use.
pub(crate) struct Scope<'a> {
    pub(crate) function: &'a Function,
    pub(crate) bindings: &'a [Binding],
    /// Whether `{result}` means what the function returns.
    pub(crate) has_result: bool,
    /// Whether names are local variables, of which rustc knows.
    pub(crate) is_local: bool,
}

/// Parses a template and resolves its names.
pub(crate) fn resolve(
    literal: &LitStr,
    flavor: Flavor,
    scope: &Scope<'_>,
    errors: &mut Errors,
) -> Option<Vec<Part>> {
    let template = match parse(&literal.value(), flavor) {
        Ok(template) => template,
        Err(faults) => {
            for fault in faults {
                errors.push(error_in(literal, fault.range, fault.what, |message| {
                    message.help(fault.help)
                }));
            }
            return None;
        }
    };
    let mut parts: Vec<Part> = Vec::new();
    let mut complete = true;
    for part in template.parts {
        match part {
            Parsed::Literal(text) => {
                follow(
                    &mut parts,
                    text.bytes()
                        .next()
                        .filter(|byte| *byte != b':')
                        .map_or(Next::End, Next::Byte),
                );
                parts.push(Part::Literal(text));
            }
            Parsed::Placeholder(placeholder) => {
                follow(&mut parts, Next::Value);
                match value(literal, &placeholder, flavor, scope) {
                    Ok(value) => parts.push(Part::Value(value)),
                    Err(error) => {
                        complete = false;
                        errors.push(error);
                    }
                }
            }
        }
    }
    complete.then_some(parts)
}

/// Tells the last value what follows it. Digests have a fixed length, so nothing can run into them.
fn follow(parts: &mut [Part], next: Next) {
    if let Some(Part::Value(value)) = parts.last_mut()
        && value.filter != Some(Filter::Hash)
    {
        value.next = next;
    }
}

fn value(
    literal: &LitStr,
    placeholder: &Placeholder,
    flavor: Flavor,
    scope: &Scope<'_>,
) -> syn::Result<Value> {
    let location = mixed(literal.span());
    let source = source(literal, placeholder, flavor, scope)?;
    let members = placeholder
        .fields
        .iter()
        .map(|field| member(field, location))
        .collect::<syn::Result<Vec<_>>>()
        .map_err(|error| error_in(literal, placeholder.path_range.clone(), error, |message| message))?;
    Ok(Value {
        source,
        members,
        filter: placeholder.filter,
        next: Next::End,
        location: Some(location),
    })
}

fn source(
    literal: &LitStr,
    placeholder: &Placeholder,
    flavor: Flavor,
    scope: &Scope<'_>,
) -> syn::Result<Source> {
    let root = placeholder.root.as_str();
    if root == "self" && !scope.is_local {
        return match scope.function.receiver() {
            Some(_) => Ok(Source::Receiver),
            None => Err(no_receiver(literal, placeholder, scope)),
        };
    }
    let argument = scope
        .bindings
        .iter()
        .position(|binding| binding.plain_name() == root);
    let generic = scope
        .function
        .signature
        .generics
        .params
        .iter()
        .position(|parameter| {
            !matches!(parameter, GenericParam::Lifetime(_)) && parameter_name(parameter) == root
        });
    match argument.map(Source::Argument).or(generic.map(Source::Generic)) {
        Some(source) => Ok(source),
        None if root == "result" && scope.has_result => Ok(Source::Result),
        None if root == "result" && flavor == Flavor::Tag => Err(no_result_yet(literal, placeholder)),
        None => Err(no_argument(literal, placeholder, scope)),
    }
}

fn no_receiver(literal: &LitStr, placeholder: &Placeholder, scope: &Scope<'_>) -> syn::Error {
    let what = format!("`{}` has no `self`", scope.function.name());
    error_in(literal, placeholder.root_range.clone(), what, |message| {
        message.help("name an argument, or make it a method by adding `&self`")
    })
}

/// The tags of a cached function; those of an invalidator are named afterwards.
fn no_result_yet(literal: &LitStr, placeholder: &Placeholder) -> syn::Error {
    let what = "the tags of a cached function are known before it runs, so they have no `result`";
    error_in(literal, placeholder.root_range.clone(), what, |message| {
        message.help("name an argument, or leave this tag out")
    })
}

fn no_argument(literal: &LitStr, placeholder: &Placeholder, scope: &Scope<'_>) -> syn::Error {
    let root = placeholder.root.as_str();
    let mut names: Vec<String> = scope.bindings.iter().map(Binding::plain_name).collect();
    if scope.function.receiver().is_some() {
        names.insert(0, "self".to_owned());
    }
    let near = nearest(
        root,
        names
            .iter()
            .map(String::as_str)
            .chain(scope.has_result.then_some("result")),
    );
    let what = format!("`{root}` is not an argument of `{}`", scope.function.name());
    let note = if names.is_empty() {
        "the function has no arguments".to_owned()
    } else {
        format!("the arguments are: {}", list(&names))
    };
    error_in(
        literal,
        placeholder.root_range.clone(),
        what,
        |message: Message| {
            message
                .help_if(near.map(|near| format!("an argument with a similar name exists: `{near}`")))
                .note(note)
        },
    )
}
