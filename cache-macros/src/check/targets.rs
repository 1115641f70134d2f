//! What an invalidator drops: targets with their names resolved.
//!
//! Whether a function is cached, and takes these arguments, is for rustc to find in the generated calls. The
//! invariant is that a target that uses the result is marked as such, since it can only be told afterwards.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::spanned::Spanned;
use syn::{Expr, LitStr};

use super::returns;
use super::template::{Scope, resolve};
use crate::attr::{MethodOwner, Target};
use crate::errors::{Errors, Message};
use crate::model::{Invalidator, Part, Source, TargetKind, TargetPlan};
use crate::template::Flavor;
use crate::words::words;

/// Judges and resolves the targets.
pub(crate) fn plan(invalidator: &Invalidator, errors: &mut Errors) -> Vec<TargetPlan> {
    let options = &invalidator.options;
    let tags = options.tags.get().map(Vec::as_slice).unwrap_or_default();
    if options.targets.is_empty() && options.tags.span().is_none() && errors.is_empty() {
        let written = if invalidator.is_local {
            format!("`{}`", invalidator.name)
        } else {
            format!("`#[{}]`", invalidator.name)
        };
        let message = Message::new(format_args!("{written} names nothing to drop"))
            .help("name a cached function `get_lead(lead_id)`, a key or pattern `\"lead:{lead_id}:*\"`, or `tags = [\"city:{city}\"]`");
        errors.push(message.into_error(Span::call_site()));
    }
    let mut plans = Vec::new();
    for target in &options.targets {
        plans.extend(self::target(target, invalidator, errors));
    }
    for tag in tags {
        plans.extend(text(tag, Flavor::Tag, invalidator, errors));
    }
    plans
}

fn target(target: &Target, invalidator: &Invalidator, errors: &mut Errors) -> Option<TargetPlan> {
    match target {
        Target::Text(literal) => text(literal, Flavor::Target, invalidator, errors),
        Target::Function { path, arguments } => Some(TargetPlan {
            kind: TargetKind::Function {
                path: path.clone(),
                arguments: arguments.clone(),
            },
            text: words(&quote!(#path(#(#arguments),*))),
            needs_result: use_result(arguments, invalidator, errors),
        }),
        Target::WholeFunction { path } => Some(TargetPlan {
            kind: TargetKind::WholeFunction { path: path.clone() },
            text: words(&quote!(#path(..))),
            needs_result: false,
        }),
        Target::Method {
            owner,
            name,
            turbofish,
            arguments,
        } => {
            let call = quote!(#name #turbofish(#(#arguments),*));
            let (owner, text) = match owner {
                MethodOwner::Type(path) => (MethodOwner::Type(path.clone()), words(&quote!(#path::#call))),
                MethodOwner::Value(value) => {
                    (MethodOwner::Value(value.clone()), words(&quote!(#value.#call)))
                }
            };
            let kind = TargetKind::Method {
                owner,
                name: name.clone(),
                turbofish: turbofish.clone(),
                arguments: arguments.clone(),
            };
            Some(TargetPlan {
                kind,
                text,
                needs_result: use_result(arguments, invalidator, errors),
            })
        }
        Target::WholeMethod { owner, name } => {
            let owner = match owner {
                MethodOwner::Type(path) => path.clone(),
                MethodOwner::Value(value) => type_of_receiver(value, name, errors)?,
            };
            let text = words(&quote!(#owner::#name(..)));
            Some(TargetPlan {
                kind: TargetKind::WholeMethod {
                    owner,
                    name: name.clone(),
                },
                text,
                needs_result: false,
            })
        }
    }
}

/// `Self` for `self.get(..)`; of other values the type cannot be told.
fn type_of_receiver(value: &Expr, name: &syn::Ident, errors: &mut Errors) -> Option<TokenStream> {
    if let Expr::Path(path) = value
        && path.path.is_ident("self")
    {
        let span = path.span();
        return Some(syn::Ident::new("Self", span).into_token_stream());
    }
    let message = Message::new("all entries of a method are named by its type").help(format_args!(
        "write `Type::{name}(..)` with the type of this value"
    ));
    errors.push(message.on(value));
    None
}

/// A key, pattern or tag.
fn text(
    literal: &LitStr,
    flavor: Flavor,
    invalidator: &Invalidator,
    errors: &mut Errors,
) -> Option<TargetPlan> {
    let scope = Scope {
        function: &invalidator.function,
        bindings: &invalidator.bindings,
        has_result: !invalidator.is_local,
        is_local: invalidator.is_local,
    };
    let parts = resolve(literal, flavor, &scope, errors)?;
    let mentions_result = !invalidator.is_local
        && literal.value().split('{').skip(1).any(|rest| {
            rest.strip_prefix("result")
                .is_some_and(|rest| rest.starts_with(['}', '.', ':']))
        });
    if mentions_result {
        result_is_clear(invalidator, literal.span(), errors);
    }
    let needs_result = parts
        .iter()
        .any(|part| matches!(part, Part::Value(value) if value.source == Source::Result));
    let has_glob = parts
        .iter()
        .any(|part| matches!(part, Part::Literal(text) if text.contains(['*', '?', '[', '\\'])));
    let kind = match flavor {
        Flavor::Tag => TargetKind::Tag(parts),
        _ if has_glob => TargetKind::Pattern(parts),
        _ => TargetKind::Key(parts),
    };
    Some(TargetPlan {
        kind,
        text: literal.value(),
        needs_result,
    })
}

/// Whether one of the arguments takes something of the function's result.
fn use_result(arguments: &[Expr], invalidator: &Invalidator, errors: &mut Errors) -> bool {
    let Some(span) = arguments
        .iter()
        .filter(|_| !invalidator.is_local)
        .find_map(|argument| find_result(argument.to_token_stream()))
    else {
        return false;
    };
    result_is_clear(invalidator, span, errors);
    true
}

/// The first `result` that is a name of its own and no field.
fn find_result(tokens: TokenStream) -> Option<Span> {
    let mut behind_dot = false;
    for token in tokens {
        match &token {
            TokenTree::Ident(name) if name == "result" && !behind_dot => return Some(name.span()),
            TokenTree::Group(group) => {
                if let Some(span) = find_result(group.stream()) {
                    return Some(span);
                }
            }
            _ => {}
        }
        behind_dot = matches!(&token, TokenTree::Punct(punct) if punct.as_char() == '.');
    }
    None
}

/// `result` means the function's value: there must be one, and no argument of that name.
fn result_is_clear(invalidator: &Invalidator, span: Span, errors: &mut Errors) {
    let name = invalidator.function.name();
    if let Some(argument) = invalidator
        .bindings
        .iter()
        .find(|binding| binding.plain_name() == "result")
    {
        let message = Message::new(format_args!(
            "`result` is what `{name}` returns, and an argument has that name too"
        ))
        .help("give the argument another name");
        errors.push(message.into_error(argument.name.span()));
    } else if returns::is_nothing(&invalidator.function) {
        let message = Message::new(format_args!(
            "`result` is what `{name}` returns, and it returns nothing"
        ))
        .help("name an argument, or return the value that is needed");
        errors.push(message.into_error(span));
    }
}
