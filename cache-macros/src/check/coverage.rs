//! Every argument is part of the key or is said not to be.
//!
//! An argument that is neither would let two calls share an entry by mistake. The invariant is that only the key
//! and `skip` cover an argument; one field in the key covers the whole of it.

use proc_macro2::{Ident, Span};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::{ReceiverKind, Type};

use crate::attr::CachedAttribute;
use crate::errors::{Errors, Message};
use crate::model::{Cached, KeyPlan, Render};
use crate::signature::{Binding, Origin, ungrouped};
use crate::suggest::nearest;

/// What `skip` names.
#[derive(Default)]
pub(crate) struct Skipped {
    /// Where `self` is skipped.
    pub(crate) receiver: bool,
    receiver_span: Option<Span>,
    arguments: Vec<(usize, Ident)>,
    /// Types and constants that the function is generic over.
    generics: Vec<(usize, Ident)>,
    /// Arguments that a misspelt name is near to.
    meant: Vec<usize>,
}

impl Skipped {
    /// The arguments that are inputs of the function, by index.
    pub(crate) fn kept_arguments<'a>(&'a self, cached: &'a Cached) -> impl Iterator<Item = usize> + 'a {
        let inputs = cached
            .bindings
            .iter()
            .enumerate()
            .filter(|(_, binding)| binding.origin != Origin::State);
        inputs.map(|(index, _)| index).filter(|index| !self.has(*index))
    }

    /// The generic parameters that are skipped, by index.
    pub(crate) fn generics(&self) -> impl Iterator<Item = usize> {
        self.generics.iter().map(|(index, _)| *index)
    }

    fn has(&self, index: usize) -> bool {
        self.arguments.iter().any(|(skipped, _)| *skipped == index)
    }
}

/// Resolves the names in `skip`.
pub(crate) fn skipped(cached: &Cached, errors: &mut Errors) -> Skipped {
    let mut skipped = Skipped::default();
    for name in cached.options.skip.get().into_iter().flatten() {
        let twice = if name == "self" {
            if cached.function.receiver().is_none() {
                let message = Message::new(format_args!("`{}` has no `self`", cached.function.name()))
                    .help("remove it from `skip`");
                errors.push(message.into_error(name.span()));
            }
            skipped.receiver_span = Some(name.span());
            std::mem::replace(&mut skipped.receiver, true)
        } else {
            let plain = name.unraw().to_string();
            let position = |name: &str| {
                cached
                    .bindings
                    .iter()
                    .position(|binding| binding.plain_name() == name)
            };
            if position(&plain).is_none()
                && let Some(index) = generic(cached, &plain)
            {
                let twice = skipped.generics().any(|skipped| skipped == index);
                skipped.generics.push((index, name.clone()));
                if twice {
                    errors.push(skipped_twice(name));
                }
                continue;
            }
            let Some(index) = position(&plain) else {
                errors.push(super::options::no_argument(cached, &plain, name.span()));
                // The argument that was probably meant needs no error of its own.
                let names: Vec<String> = cached.bindings.iter().map(Binding::plain_name).collect();
                let meant = nearest(&plain, names.iter().map(String::as_str)).and_then(position);
                skipped.meant.extend(meant);
                continue;
            };
            let twice = skipped.has(index);
            skipped.arguments.push((index, name.clone()));
            twice
        };
        if twice {
            errors.push(skipped_twice(name));
        }
    }
    skipped
}

fn skipped_twice(name: &Ident) -> syn::Error {
    Message::new(format_args!("`{name}` is skipped twice"))
        .help("remove one of the two")
        .into_error(name.span())
}

/// A type or constant that the function is generic over, by its name.
pub(super) fn generic(cached: &Cached, name: &str) -> Option<usize> {
    let parameters = &cached.function.signature.generics.params;
    parameters.iter().position(|parameter| match parameter {
        syn::GenericParam::Lifetime(_) => false,
        syn::GenericParam::Type(_) | syn::GenericParam::Const(_) => {
            crate::expand::parameter_name(parameter) == name
        }
    })
}

/// What the key uses cannot be skipped.
pub(crate) fn skip_and_key_are_apart(
    cached: &Cached,
    plan: &KeyPlan,
    skipped: &Skipped,
    errors: &mut Errors,
) {
    let keyed = plan.arguments();
    let mut refuse = |name: &str, span: Span| {
        let message = Message::new(format_args!(
            "`{name}` is part of the key `{}`, so it cannot be skipped",
            plan.text
        ))
        .help(format_args!("remove `{name}` from `skip`, or from the key"));
        errors.push(message.into_error(span));
    };
    for (index, name) in &skipped.arguments {
        if keyed.contains(index) {
            refuse(&name.to_string(), name.span());
        }
    }
    for (index, name) in &skipped.generics {
        if plan.generics().any(|keyed| keyed == *index) {
            refuse(&name.to_string(), name.span());
        }
    }
    if let (Some(span), true) = (
        skipped.receiver_span,
        plan.uses_receiver() && cached.function.receiver().is_some(),
    ) {
        refuse("self", span);
    }
}

/// Elements that the key does not tell apart would share one entry.
pub(crate) fn the_element_counts(cached: &Cached, plan: &KeyPlan, skipped: &Skipped, errors: &mut Errors) {
    let Some(index) = cached.bindings.iter().position(Binding::is_element) else {
        return;
    };
    if let Some((_, name)) = skipped.arguments.iter().find(|(skipped, _)| *skipped == index) {
        let message = Message::new(format_args!(
            "`{name}` is what `each` calls an element, and elements that are skipped would share one entry"
        ))
        .help(format_args!("remove `{name}` from `skip`"));
        if !plan.arguments().contains(&index) {
            errors.push(message.into_error(name.span()));
        }
    }
}

/// What is neither in the key nor skipped is a mistake.
pub(crate) fn everything_counts(cached: &Cached, plan: &KeyPlan, skipped: &Skipped, errors: &mut Errors) {
    if let Some(receiver) = cached.function.receiver()
        && !plan.uses_receiver()
        && !skipped.receiver
    {
        errors.push(receiver_left_out(cached, plan).on(receiver));
    }
    let keyed = plan.arguments();
    for index in skipped.kept_arguments(cached) {
        if !keyed.contains(&index)
            && !skipped.meant.contains(&index)
            && let Some(binding) = cached.bindings.get(index)
        {
            errors.push(argument_left_out(cached, plan, binding));
        }
    }
}

fn argument_left_out(cached: &Cached, plan: &KeyPlan, binding: &Binding) -> syn::Error {
    let name = binding.plain_name();
    if binding.is_element() {
        return Message::new(format_args!(
            "element `{name}` is not part of the cache key, so all elements would share one entry"
        ))
        .help(format_args!(
            "add it to the template: `\"{}:{{{name}}}\"`",
            plan.text
        ))
        .into_error(binding.name.span());
    }
    let message = Message::new(format_args!(
        "argument `{name}` is not part of the cache key, so calls that differ only in `{name}` would share one entry"
    ));
    let skip = skip_with(cached, &binding.name.to_string());
    let message = if cached.attribute == CachedAttribute::LeadData {
        let more = format!("{}:{{{name}}}", plan.text);
        message
            .help(format_args!("if it cannot change the result, say so: `{skip}`"))
            .help(format_args!(
                "else the key needs it: `#[cache_result(key = \"{more}\")]`"
            ))
    } else {
        message
            .help(format_args!(
                "add it to the template: `\"{}:{{{name}}}\"`",
                plan.text
            ))
            .help(format_args!(
                "or, if it cannot change the result, say so: `{skip}`"
            ))
    };
    // A mutable argument cannot be keyed, so there is but one way out.
    if binding.ty.as_ref().is_some_and(is_mutable_reference) {
        let message =
            Message::new(format_args!("argument `{name}` is not part of the cache key")).help(format_args!(
                "a mutable argument cannot be part of it; if it cannot change the result, say so: `{skip}`"
            ));
        return on_parameter(message, binding);
    }
    on_parameter(message, binding)
}

fn on_parameter(message: Message, binding: &Binding) -> syn::Error {
    match &binding.ty {
        Some(ty) if binding.is_plain => message.on(JoinedTokens(&binding.name, ty)),
        _ => message.into_error(binding.name.span()),
    }
}

/// A parameter from its name to the end of its type, for messages that underline it as a whole.
struct JoinedTokens<'a>(&'a Ident, &'a Type);

impl ToTokens for JoinedTokens<'_> {
    fn to_tokens(&self, tokens: &mut proc_macro2::TokenStream) {
        self.0.to_tokens(tokens);
        self.1.to_tokens(tokens);
    }
}

fn receiver_left_out(cached: &Cached, plan: &KeyPlan) -> Message {
    let message = Message::new(
        "`self` is not part of the cache key, so two instances with different content would share one entry",
    );
    let skip = skip_with(cached, "self");
    match plan.render {
        Render::Parts(_) if cached.options.key.get().is_some() => {
            let completed = match plan.text.split_once(':') {
                Some((namespace, rest)) => format!("{namespace}:{{self.tenant}}:{rest}"),
                None => format!("{}:{{self.tenant}}", plan.text),
            };
            message
                .help(format_args!(
                    "if all instances give the same results, say so: `{skip}`"
                ))
                .help(format_args!(
                    "else add the field that tells them apart, such as: `\"{completed}\"`"
                ))
        }
        _ => message
            .help(format_args!(
                "if all instances give the same results, say so: `{skip}`"
            ))
            .help("else write a `key` with the field that tells them apart, such as `{self.tenant}`"),
    }
}

/// The option `skip` with one more name.
pub(super) fn skip_with(cached: &Cached, name: &str) -> String {
    let is_known = |written: &&Ident| {
        *written == "self"
            || cached.bindings.iter().any(|binding| binding.name == **written)
            || generic(cached, &written.to_string()).is_some()
    };
    let mut names: Vec<String> = cached
        .options
        .skip
        .get()
        .into_iter()
        .flatten()
        .filter(is_known)
        .map(Ident::to_string)
        .collect();
    names.push(name.to_owned());
    format!("skip({})", names.join(", "))
}

/// What the function may change has no lasting value to make a key of.
pub(crate) fn nothing_keyed_is_mutable(cached: &Cached, plan: &KeyPlan, errors: &mut Errors) -> bool {
    let mut all_fixed = true;
    let mut refuse = |name: &str, place: &dyn ToTokens| {
        all_fixed = false;
        let message = Message::new(format_args!(
            "`{name}` is borrowed mutably, so it cannot be part of the key"
        ))
        .help(format_args!(
            "borrow it with `&`, or say that it cannot change the result: `{}`",
            skip_with(cached, name)
        ));
        errors.push(message.on(place));
    };
    for binding in plan
        .arguments()
        .into_iter()
        .filter_map(|index| cached.bindings.get(index))
    {
        if let Some(ty) = &binding.ty
            && is_mutable_reference(ty)
        {
            refuse(&binding.plain_name(), ty);
        }
    }
    if let Some(receiver) = cached.function.receiver()
        && plan.uses_receiver()
        && matches!(receiver.kind, ReceiverKind::Reference(_, _, Some(_)))
    {
        refuse("self", receiver);
    }
    all_fixed
}

fn is_mutable_reference(ty: &Type) -> bool {
    matches!(ungrouped(ty), Type::Reference(reference) if reference.mutability.is_some())
}
