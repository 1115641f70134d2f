//! Rules on `each`: an argument that has the elements, and a map that has their values.
//!
//! Whether the element is in the key is judged with all arguments. The invariant is that what the option cannot go along with
//! is refused at its own token, and that a type that an alias hides is left to the traits of the generated code.

use proc_macro2::Span;
use syn::{Receiver, ReceiverKind, Type};

use super::owned::shown;
use super::returns::KNOWN_VALUES;
use crate::attr::{CachedOptions, EachOption};
use crate::errors::{Errors, Message, list};
use crate::model::{Cached, Each, Elements};
use crate::signature::{
    Binding, Function, Origin, generic_types, last_segment, name_in, ungrouped, value_of,
};
use crate::suggest::nearest;

/// Puts the element in the place of the argument that has it.
pub(crate) fn resolved(
    options: &CachedOptions,
    function: &Function,
    bindings: &mut [Binding],
    errors: &mut Errors,
) -> Option<Each> {
    let EachOption { element, argument } = options.each.get()?;
    let names: Vec<String> = bindings.iter().map(Binding::plain_name).collect();
    if bindings.iter().any(|binding| binding.name == *element) {
        let message = Message::new(format_args!(
            "`{element}` is an argument of `{}`",
            function.name()
        ))
        .help("give the element a name of its own: `each = id in ids`");
        errors.push(message.into_error(element.span()));
        return None;
    }
    let Some(place) = bindings.iter_mut().find(|binding| binding.name == *argument) else {
        let near = nearest(&argument.to_string(), names.iter().map(String::as_str));
        let message = Message::new(format_args!(
            "`{argument}` is not an argument of `{}`",
            function.name()
        ))
        .help_if(near.map(|near| format!("an argument with a similar name exists: `{near}`")));
        let message = if names.is_empty() {
            message.note("the function has no arguments")
        } else {
            message.note(format_args!("the arguments are: {}", list(&names)))
        };
        errors.push(message.into_error(argument.span()));
        return None;
    };
    let elements = place.ty.as_ref().filter(|_| place.is_plain).and_then(elements);
    let Some((form, ty)) = elements else {
        errors.push(no_elements(place));
        return None;
    };
    let element = Binding {
        name: element.clone(),
        type_span: name_in(ty),
        ty: Some(ty.clone()),
        cfgs: place.cfgs.clone(),
        is_plain: false,
        origin: Origin::Element,
    };
    Some(Each {
        argument: std::mem::replace(place, element),
        form,
    })
}

/// `K` of `Vec<K>` or `&[K]`.
fn elements(ty: &Type) -> Option<(Elements, &Type)> {
    match ungrouped(ty) {
        Type::Reference(reference) if reference.mutability.is_none() => match ungrouped(&reference.elem) {
            Type::Slice(slice) => Some((Elements::Slice, &slice.elem)),
            _ => None,
        },
        ty => {
            let segment = last_segment(Some(ty)).filter(|segment| segment.ident == "Vec")?;
            let element = generic_types(segment)?.first().copied()?;
            Some((Elements::Vec, element))
        }
    }
}

fn no_elements(binding: &Binding) -> syn::Error {
    let name = &binding.name;
    let message = Message::new(format_args!(
        "`each` needs a `Vec` or a slice, and `{name}` is neither"
    ));
    let message = match &binding.ty {
        Some(ty) => {
            let of = last_segment(Some(ty)).and_then(generic_types);
            let of = of.and_then(|types| types.first().map(shown));
            let of = of.unwrap_or_else(|| "Uuid".to_owned());
            message.help(format_args!("write `{name}: Vec<{of}>` or `{name}: &[{of}]`"))
        }
        None => message.help("take it as it is, and not apart: `ids: Vec<Uuid>`"),
    };
    match &binding.ty {
        Some(ty) => message.on(ty),
        None => message.into_error(name.span()),
    }
}

/// The function can be run for some of the elements, and more than once.
pub(crate) fn agrees(cached: &Cached, errors: &mut Errors) {
    let Some(each) = &cached.each else { return };
    returns_a_map(cached, errors);
    nothing_goes_on_without_its_caller(cached, errors);
    may_run_again(cached, each, errors);
}

fn returns_a_map(cached: &Cached, errors: &mut Errors) {
    let whole = cached.function.return_type();
    // In a `Result` only.
    let ty = match last_segment(Some(&whole)) {
        Some(segment) if segment.ident.to_string().ends_with("Result") => value_of(&whole),
        _ => ungrouped(&whole),
    };
    let is_known = match last_segment(Some(ty)) {
        None => true,
        Some(segment) => {
            let name = segment.ident.to_string();
            name != "HashMap"
                && (KNOWN_VALUES.contains(&name.as_str())
                    || matches!(name.as_str(), "Option" | "Json" | "Arc" | "Box"))
        }
    };
    if !is_known {
        return;
    }
    let element = cached.element().and_then(|element| element.ty.as_ref());
    let element = element.map_or_else(|| "K".to_owned(), shown);
    let message = Message::new(format_args!(
        "with `each`, `{}` has to tell which value is whose, and it does not return a `HashMap`",
        cached.function.name()
    ))
    .help(format_args!(
        "return `HashMap<{element}, V>` or `Result<HashMap<{element}, V>, E>`"
    ));
    errors.push(match &cached.function.signature.output {
        syn::ReturnType::Default => message.on(cached.function.name()),
        syn::ReturnType::Type(..) => message.on(ty),
    });
}

/// A run of the body is for the elements that one caller lacks.
fn nothing_goes_on_without_its_caller(cached: &Cached, errors: &mut Errors) {
    let mut refuse = |name: &str, span: Span| {
        let message = Message::new(format_args!(
            "`{name}` does not go with `each`: the body runs for the elements that one caller lacks, and for no longer than that caller waits"
        ));
        let message = if name == "hard_timeout" {
            message.help("remove it; to bound how long a caller waits there is `tokio::time::timeout`")
        } else {
            message.help("remove it; a value past its TTL can be served when the body fails: `stale_if_error = \"1h\"`")
        };
        errors.push(message.into_error(span));
    };
    for (name, span) in cached.options.background() {
        refuse(name, span);
    }
    if let Some(span) = cached.options.hard_timeout.span() {
        refuse("hard_timeout", span);
    }
}

/// A call takes elements over that another one gave up, and runs its body for them.
fn may_run_again(cached: &Cached, each: &Each, errors: &mut Errors) {
    let function = &cached.function;
    if let Some(receiver) = function.receiver()
        && !is_shared(receiver)
    {
        let message = Message::new(format_args!(
            "with `each` the body may run more than once, so it cannot take `{}`",
            shown(receiver)
        ))
        .help("write `&self`");
        errors.push(message.on(receiver));
    }
    for binding in &cached.bindings {
        if let Some(ty @ Type::Reference(reference)) = binding.ty.as_ref().map(ungrouped)
            && reference.mutability.is_some()
        {
            let message = Message::new(format_args!(
                "with `each` the body may run more than once, so it cannot borrow `{}` mutably",
                binding.name
            ))
            .help("borrow it with `&`");
            errors.push(message.on(ty));
        }
    }
    if function.is_boxed() && each.form == Elements::Slice {
        let message = Message::new(format_args!(
            "the body is a boxed future, which cannot borrow the missing elements in the place of `{}`",
            each.argument.name
        ))
        .help("take a `Vec`");
        errors.push(message.on(&each.argument.ty));
    }
}

fn is_shared(receiver: &Receiver) -> bool {
    match &receiver.kind {
        ReceiverKind::Reference(_, _, mutability) => mutability.is_none(),
        ReceiverKind::Typed(_, ty) => {
            matches!(ungrouped(ty), Type::Reference(reference) if reference.mutability.is_none())
        }
        _ => false,
    }
}
