//! Parts of the TTL: `refresh_ahead = 0.8`, `jitter = 0.1`.
//!
//! Read as a decimal literal, since any other number is most likely meant as something else. The invariant is that a
//! part that was read is more than nothing and less than the whole, also when it is rounded to millionths.

use proc_macro2::Ident;
use syn::parse::ParseStream;
use syn::{Expr, ExprLit, ExprUnary, Lit, LitFloat, UnOp};

use super::value::expression;
use crate::errors::Message;

/// A part of the TTL, in millionths.
pub(super) fn of_ttl(name: &Ident, example: &str, input: ParseStream<'_>) -> syn::Result<u32> {
    let value = expression(name, example, input)?;
    let number = match &value {
        Expr::Lit(ExprLit {
            lit: Lit::Float(number),
            ..
        }) => millionths(number),
        _ => Err(NoPart::Other),
    };
    number.map_err(|fault| fault.message(&value, name, example).on(&value))
}

/// Why a number is no part of the TTL.
#[derive(Debug, PartialEq, Eq)]
enum NoPart {
    Zero,
    /// It would be rounded to zero.
    TooSmall,
    TooLarge,
    /// No decimal literal.
    Other,
}

fn millionths(number: &LitFloat) -> Result<u32, NoPart> {
    if !matches!(number.suffix(), "" | "f32" | "f64") {
        return Err(NoPart::Other);
    }
    let part: f64 = number.base10_parse().map_err(|_| NoPart::Other)?;
    if part == 0.0 {
        return Err(NoPart::Zero);
    }
    if part >= 1.0 {
        return Err(NoPart::TooLarge);
    }
    match format!("{:.0}", part * 1e6).parse() {
        Ok(0) | Err(_) => Err(NoPart::TooSmall),
        Ok(millionths) => Ok(std::cmp::min(millionths, 999_999)),
    }
}

impl NoPart {
    fn message(&self, value: &Expr, name: &Ident, example: &str) -> Message {
        let write = format!("write a part of the TTL, more than 0 and less than 1: `{name} = {example}`");
        let shown = quote::ToTokens::to_token_stream(value)
            .to_string()
            .replace(' ', "");
        let no_part = Message::new(format_args!("`{shown}` is not a part of the TTL"));
        match self {
            Self::Zero => zero(name).help(write),
            Self::TooSmall => {
                Message::new(format_args!("a `{name}` below a millionth would do nothing")).help(write)
            }
            Self::TooLarge => no_part.help(write),
            Self::Other => match value {
                Expr::Lit(ExprLit {
                    lit: Lit::Int(number),
                    ..
                }) => match number.base10_parse::<u32>() {
                    Ok(0) => zero(name).help(write),
                    Ok(percent @ 2..100) => no_part.help(percents(name, percent)),
                    _ => no_part.help(write),
                },
                Expr::Lit(ExprLit {
                    lit: Lit::Str(text), ..
                }) => {
                    let text = text.value();
                    let percent = text
                        .strip_suffix('%')
                        .and_then(|percent| percent.trim().parse().ok());
                    match (percent, text.parse::<f64>()) {
                        (Some(percent @ 1..100), _) => no_part.help(percents(name, percent)),
                        (_, Ok(part)) if part > 0.0 && part < 1.0 => {
                            no_part.help(format_args!("write it without quotes: `{name} = {text}`"))
                        }
                        _ => no_part.help(write),
                    }
                }
                Expr::Lit(_) => no_part.help(write),
                Expr::Unary(ExprUnary {
                    op: UnOp::Neg(_),
                    expr,
                    ..
                }) if matches!(**expr, Expr::Lit(_)) => {
                    Message::new(format_args!("`{name}` cannot be negative")).help(write)
                }
                _ => Message::new(format_args!("`{name}` is a number that is known beforehand")).help(write),
            },
        }
    }
}

fn zero(name: &Ident) -> Message {
    Message::new(format_args!("a `{name}` of zero would do nothing"))
}

fn percents(name: &Ident, percent: u32) -> String {
    let digits = format!("{percent:02}");
    format!(
        "for {percent} percent write `{name} = 0.{}`",
        digits.trim_end_matches('0')
    )
}

#[cfg(test)]
mod tests {
    use syn::LitFloat;

    use super::{NoPart, millionths};

    fn read(text: &str) -> Result<u32, NoPart> {
        millionths(&LitFloat::new(text, proc_macro2::Span::call_site()))
    }

    #[test]
    fn parts_are_read_in_millionths() {
        assert_eq!(read("0.8"), Ok(800_000));
        assert_eq!(read("0.29"), Ok(290_000));
        assert_eq!(read("0.000_001"), Ok(1));
        assert_eq!(read("8e-1"), Ok(800_000));
        assert_eq!(read("0.5f32"), Ok(500_000));
    }

    #[test]
    fn a_part_is_never_rounded_to_the_whole_or_to_nothing() {
        assert_eq!(read("0.999_999_9"), Ok(999_999));
        assert_eq!(read("0.000_000_1"), Err(NoPart::TooSmall));
    }

    #[test]
    fn c8_what_is_no_part_says_why() {
        assert_eq!(read("0.0"), Err(NoPart::Zero));
        assert_eq!(read("1.0"), Err(NoPart::TooLarge));
        assert_eq!(read("1e9"), Err(NoPart::TooLarge));
        assert_eq!(read("0.5x"), Err(NoPart::Other));
    }
}
