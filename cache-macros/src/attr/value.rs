//! The values of options: durations, names, paths, strings.
//!
//! Each reader takes what follows the option's name and says, in the option's words, what should be there. The
//! invariant is that a duration that was read is positive.

use proc_macro2::{Ident, Span};
use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::spanned::Spanned;
use syn::{Expr, ExprLit, ExprUnary, Lit, LitStr, Token, UnOp};

use super::equals;
use crate::duration::{self, Fault};
use crate::errors::{Errors, Message};

/// A duration that is known beforehand, and where it is written.
#[derive(Clone, Copy)]
pub(crate) struct Fixed {
    pub(crate) millis: u64,
    pub(crate) span: Span,
}

/// How long an entry is fresh.
pub(crate) enum Ttl {
    Millis(u64),
    /// An expression of type `Duration`.
    Expression(Expr),
}

pub(super) fn string(name: &Ident, example: &str, input: ParseStream<'_>) -> syn::Result<LitStr> {
    equals(name, example, input)?;
    if input.peek(LitStr) {
        return input.parse();
    }
    let value: Expr = input.parse()?;
    let message = Message::new(format_args!("`{name}` is a string literal"))
        .help(format_args!("write `{name} = {example}`"));
    Err(message.on(&value))
}

pub(super) fn expression(name: &Ident, example: &str, input: ParseStream<'_>) -> syn::Result<Expr> {
    equals(name, example, input)?;
    input.parse()
}

/// A name that is no keyword.
pub(super) fn name(name: &Ident, example: &str, input: ParseStream<'_>) -> syn::Result<Ident> {
    equals(name, example, input)?;
    if input.peek(syn::Ident) {
        return input.parse();
    }
    let value: Expr = input.parse()?;
    let message =
        Message::new(format_args!("`{name}` is a name")).help(format_args!("write `{name} = {example}`"));
    Err(message.on(&value))
}

/// `each = id in ids`
pub(crate) struct EachOption {
    /// What an element is called.
    pub(crate) element: Ident,
    /// The argument that has them.
    pub(crate) argument: Ident,
}

pub(super) fn each(name: &Ident, input: ParseStream<'_>) -> syn::Result<EachOption> {
    let example = "id in ids";
    equals(name, example, input)?;
    let wrong = |span: Span| {
        Message::new(format_args!(
            "`{name}` says what an element is called, and which argument has them"
        ))
        .help(format_args!("write `{name} = {example}`"))
        .into_error(span)
    };
    let at = input.span();
    let element: Ident = input.parse().map_err(|_| wrong(at))?;
    let at = if input.is_empty() {
        element.span()
    } else {
        input.span()
    };
    input.parse::<Token![in]>().map_err(|_| wrong(at))?;
    let at = if input.is_empty() {
        element.span()
    } else {
        input.span()
    };
    let argument: Ident = input.parse().map_err(|_| wrong(at))?;
    Ok(EachOption { element, argument })
}

pub(super) fn argument(name: &Ident, example: &str, input: ParseStream<'_>) -> syn::Result<Ident> {
    equals(name, example, input)?;
    if input.peek(Ident::peek_any) {
        return input.call(Ident::parse_any);
    }
    let value: Expr = input.parse()?;
    let message = Message::new(format_args!("`{name}` names an argument"))
        .help(format_args!("write `{name} = {example}`"));
    Err(message.on(&value))
}

/// `skip(a, b, self)`
pub(super) fn arguments(
    name: &Ident,
    input: ParseStream<'_>,
    errors: &mut Errors,
) -> syn::Result<Vec<Ident>> {
    let content = super::parenthesized(name, "db", input)?;
    let mut names: Vec<Ident> = Vec::new();
    while !content.is_empty() {
        if !content.peek(Ident::peek_any) {
            let message = Message::new(format_args!("`{name}` takes names of arguments"))
                .help(format_args!("write the names alone: `{name}(db, user)`"));
            errors.push(message.into_error(content.span()));
            content.parse::<proc_macro2::TokenStream>()?;
            return Ok(names);
        }
        names.push(content.call(Ident::parse_any)?);
        if !content.is_empty() {
            content.parse::<Token![,]>()?;
        }
    }
    if names.is_empty() {
        let message = Message::new(format_args!("`{name}()` names no argument, so it does nothing")).help(
            format_args!("remove it, or name what is not part of the key: `{name}(db)`"),
        );
        errors.push(message.into_error(name.span()));
    }
    Ok(names)
}

/// The option `crate`.
pub(super) fn path(name: &Ident, input: ParseStream<'_>) -> syn::Result<syn::Path> {
    let example = "\"my_crate::cache_core\"";
    let literal = string(name, example, input)?;
    literal.parse_with(syn::Path::parse_mod_style).map_err(|_| {
        Message::new(format_args!("`{}` is not a path", literal.value()))
            .help(format_args!("write `{name} = {example}`"))
            .on(&literal)
    })
}

pub(super) fn version(name: &Ident, input: ParseStream<'_>) -> syn::Result<u32> {
    let value = expression(name, "2", input)?;
    let number = match &value {
        Expr::Lit(ExprLit {
            lit: Lit::Int(number),
            ..
        }) => number.base10_parse::<u32>().ok(),
        _ => None,
    };
    number.ok_or_else(|| {
        Message::new(format_args!("`{name}` is a whole number from 0 to {}", u32::MAX))
            .help(format_args!("write `{name} = 2`"))
            .on(&value)
    })
}

/// A duration that is an integer or a text.
pub(super) fn fixed_duration(name: &Ident, input: ParseStream<'_>) -> syn::Result<Fixed> {
    let value = expression(name, &format!("\"{}\"", example(name)), input)?;
    let span = value.span();
    match duration(name, value)? {
        Ttl::Millis(millis) => Ok(Fixed { millis, span }),
        Ttl::Expression(value) => {
            let (seconds, text) = if is_timeout(name) {
                (2, "500ms")
            } else {
                (90, "90s")
            };
            Err(
                Message::new(format_args!("`{name}` is a duration that is known beforehand"))
                    .help(format_args!(
                        "write seconds or text: `{name} = {seconds}` or `{name} = \"{text}\"`"
                    ))
                    .on(&value),
            )
        }
    }
}

/// A duration that may be an expression too.
pub(super) fn ttl(name: &Ident, input: ParseStream<'_>) -> syn::Result<Ttl> {
    let value = expression(name, "\"30m\"", input)?;
    duration(name, value)
}

fn duration(name: &Ident, value: Expr) -> syn::Result<Ttl> {
    match &value {
        Expr::Lit(ExprLit {
            lit: Lit::Str(text), ..
        }) => duration::parse(&text.value())
            .map(Ttl::Millis)
            .map_err(|fault| duration_fault(name, &text.value(), fault).into_error(text.span())),
        Expr::Lit(ExprLit { lit, .. }) => seconds(name, lit).map(Ttl::Millis),
        Expr::Unary(ExprUnary {
            op: UnOp::Neg(_),
            expr,
            ..
        }) if matches!(&**expr, Expr::Lit(_)) => Err(negative(name).on(&value)),
        _ => Ok(Ttl::Expression(value)),
    }
}

/// An integer literal as seconds.
fn seconds(name: &Ident, literal: &Lit) -> syn::Result<u64> {
    let span: Span = literal.span();
    let Lit::Int(number) = literal else {
        let shown = quote::ToTokens::to_token_stream(literal).to_string();
        return Err(Message::new(format_args!("`{shown}` is not a duration"))
            .help(forms(name))
            .into_error(span));
    };
    let suffix = number.suffix();
    if !suffix.is_empty() && !matches!(suffix, "u8" | "u16" | "u32" | "u64" | "usize" | "i32" | "i64") {
        let message = Message::new(format_args!("`{number}` is not a duration"));
        let text = format!("{}{suffix}", number.base10_digits());
        let message = match duration::parse(&text) {
            Ok(_) => message.help(format_args!("write it as text: `{name} = \"{text}\"`")),
            Err(_) => message.help(forms(name)),
        };
        return Err(message.into_error(span));
    }
    let millis = number
        .base10_parse::<u64>()
        .ok()
        .and_then(|seconds| seconds.checked_mul(1000));
    match millis {
        None => Err(too_long(name, number).into_error(span)),
        Some(0) => Err(zero(name).into_error(span)),
        Some(millis) => Ok(millis),
    }
}

fn forms(name: &Ident) -> String {
    let example = example(name);
    format!("write seconds, or text such as `\"90s\"`, `\"30m\"`, `\"2h5m\"`: `{name} = \"{example}\"`")
}

/// Whether its durations are short enough for milliseconds.
fn is_timeout(name: &Ident) -> bool {
    name == "soft_timeout" || name == "hard_timeout"
}

/// A duration that makes sense for this option.
fn example(name: &Ident) -> &'static str {
    match name.to_string().as_str() {
        "soft_timeout" => "500ms",
        "hard_timeout" => "5s",
        _ => "30m",
    }
}

fn negative(name: &Ident) -> Message {
    Message::new(format_args!("`{name}` cannot be negative")).help(forms(name))
}

fn zero(name: &Ident) -> Message {
    let (would, help) = match name.to_string().as_str() {
        "none_ttl" => (
            "store nothing",
            "remove `none_ttl`, without it `None` is not stored",
        ),
        "stale_if_error" => (
            "do nothing",
            "remove it, or write how long past its TTL a value is served when the function fails: `stale_if_error = \"1h\"`",
        ),
        "stale_while_revalidate" => (
            "do nothing",
            "remove it, or write how long past its TTL a value is served while it is refreshed: `stale_while_revalidate = \"5m\"`",
        ),
        "soft_timeout" => (
            "wait for no load",
            "to serve a stale value at once there is `stale_while_revalidate`",
        ),
        "hard_timeout" => (
            "fail every load",
            "remove it, or write how long a caller waits at most: `hard_timeout = \"5s\"`",
        ),
        _ => (
            "store nothing",
            "write how long an entry is fresh; to go without the cache at times there is `bypass = condition`",
        ),
    };
    Message::new(format_args!("a `{name}` of zero would {would}")).help(help)
}

fn too_long(name: &Ident, shown: impl std::fmt::Display) -> Message {
    Message::new(format_args!("`{shown}` is too long for a duration")).help(forms(name))
}

fn duration_fault(name: &Ident, text: &str, fault: Fault) -> Message {
    let no_duration = Message::new(format_args!("`{text}` is not a duration"));
    match fault {
        Fault::Empty => Message::new(format_args!("`{name}` is empty")).help(forms(name)),
        Fault::Negative => negative(name),
        Fault::Zero => zero(name),
        Fault::TooLong => too_long(name, text),
        Fault::Space => {
            let joined: String = text.chars().filter(|c| !c.is_whitespace()).collect();
            let message = Message::new(format_args!("`{text}` is not a duration, it has a space"));
            match duration::parse(&joined) {
                Ok(_) => message.help(format_args!("write `{name} = \"{joined}\"`")),
                Err(_) => message.help(forms(name)),
            }
        }
        Fault::NoUnit(number) if number == text => {
            let message = Message::new(format_args!("`{text}` is not a duration, it has no unit"));
            if is_timeout(name) {
                message.help(format_args!(
                    "write `{name} = \"{number}ms\"`, or for seconds `{name} = {number}`"
                ))
            } else {
                message.help(format_args!(
                    "write `{name} = {number}` or `{name} = \"{number}s\"`"
                ))
            }
        }
        Fault::NoUnit(number) => {
            Message::new(format_args!("`{text}` is not a duration, `{number}` has no unit"))
                .help("the units are `d`, `h`, `m`, `s`, `ms`")
        }
        Fault::NoNumber(_) => no_duration.help(forms(name)),
        Fault::Fraction => Message::new(format_args!("`{text}` is not a duration, it has a fraction"))
            .help("write whole numbers with a smaller unit: `\"1h30m\"` for one and a half hours"),
        Fault::UnknownUnit(unit) => Message::new(format_args!(
            "`{text}` is not a duration, there is no unit `{unit}`"
        ))
        .help("the units are `d`, `h`, `m`, `s`, `ms`"),
        Fault::Order(unit) => Message::new(format_args!(
            "`{text}` is not a duration, `{unit}` follows a unit that is not longer"
        ))
        .help("write longer units first, each once: `\"1d2h30m\"`"),
    }
}
