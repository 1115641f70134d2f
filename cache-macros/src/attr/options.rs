//! The options of the attributes that cache, as one struct of slots.
//!
//! Which attribute takes which of them is in the attribute's own file. The invariant is that each option has
//! one slot, and one line in `named` or `about_time`.

use proc_macro2::{Ident, Span};
use syn::parse::ParseStream;
use syn::{Expr, LitStr, Path};

use super::slot::Slot;
use super::value::{self, EachOption, Fixed, Ttl};
use super::{fraction, tags};
use crate::errors::{Errors, Message};

/// Where entries are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tier {
    Memory,
    Redis,
    Both,
}

#[derive(Default)]
pub(crate) struct CachedOptions {
    /// Whether something could not be read that may have been about the key. Then nothing can be said about what
    /// the key lacks.
    pub(crate) key_is_unclear: bool,
    /// Whether `each` could not be read, so that it is not known what an element is called.
    pub(crate) each_is_unclear: bool,
    pub(crate) key: Slot<LitStr>,
    pub(crate) key_type: Slot<LitStr>,
    pub(crate) key_fn: Slot<Expr>,
    pub(crate) id: Slot<Ident>,
    pub(crate) skip: Slot<Vec<Ident>>,
    pub(crate) popular: Slot<Ident>,
    pub(crate) each: Slot<EachOption>,
    pub(crate) ttl: Slot<Ttl>,
    pub(crate) stale_if_error: Slot<Fixed>,
    pub(crate) stale_while_revalidate: Slot<Fixed>,
    /// In millionths of the TTL.
    pub(crate) refresh_ahead: Slot<u32>,
    pub(crate) soft_timeout: Slot<Fixed>,
    pub(crate) hard_timeout: Slot<Fixed>,
    /// In millionths of the TTL.
    pub(crate) jitter: Slot<u32>,
    pub(crate) none_ttl: Slot<Fixed>,
    pub(crate) cache_if: Slot<Expr>,
    pub(crate) ttl_from: Slot<Expr>,
    pub(crate) tags: Slot<Vec<LitStr>>,
    /// Of the body of a response.
    pub(crate) max_response_bytes: Slot<Expr>,
    pub(crate) bypass: Slot<Expr>,
    pub(crate) refresh: Slot<Expr>,
    pub(crate) tier: Slot<Tier>,
    pub(crate) manager: Slot<Expr>,
    pub(crate) version: Slot<u32>,
    pub(crate) handle: Slot<Ident>,
    pub(crate) krate: Slot<Path>,
}

impl CachedOptions {
    /// Reads what follows the name of an option.
    pub(super) fn named(
        &mut self,
        name: &Ident,
        input: ParseStream<'_>,
        errors: &mut Errors,
    ) -> syn::Result<()> {
        let text = name.to_string();
        let span = name.span();
        match text.as_str() {
            "key" => self.key.fill(
                &text,
                span,
                value::string(name, "\"lead:{lead_id}\"", input)?,
                errors,
            ),
            "key_type" => {
                let example = "\"analytics\"";
                self.key_type
                    .fill(&text, span, value::string(name, example, input)?, errors);
            }
            "key_fn" => {
                self.key_fn.fill(
                    &text,
                    span,
                    value::expression(name, "|metric| metric.to_owned()", input)?,
                    errors,
                );
            }
            "id" => self
                .id
                .fill(&text, span, value::argument(name, "customer_id", input)?, errors),
            "skip" => {
                let names = value::arguments(name, input, errors)?;
                if let Some(earlier) = self.skip.get_mut() {
                    // These count too, so that they are not missed on top of what is wrong.
                    earlier.extend(names.iter().cloned());
                }
                self.skip.fill(&text, span, names, errors);
            }
            "popular" => self
                .popular
                .fill(&text, span, value::argument(name, "text", input)?, errors),
            "each" => self.each.fill(&text, span, value::each(name, input)?, errors),
            "ttl" => self.ttl.fill(&text, span, value::ttl(name, input)?, errors),
            "tags" => self.tags.fill(&text, span, tags::list(name, input)?, errors),
            "cache_if" => {
                self.cache_if.fill(
                    &text,
                    span,
                    value::expression(name, "|value| !value.is_empty()", input)?,
                    errors,
                );
            }
            "ttl_from" => {
                let example = "|value| value.expires_in";
                self.ttl_from
                    .fill(&text, span, value::expression(name, example, input)?, errors);
            }
            "max_response_bytes" => self.max_response_bytes.fill(
                &text,
                span,
                value::expression(name, "64 * 1024", input)?,
                errors,
            ),
            "bypass" => self
                .bypass
                .fill(&text, span, value::expression(name, "page > 10", input)?, errors),
            "refresh" => self
                .refresh
                .fill(&text, span, value::expression(name, "force", input)?, errors),
            "tier" => self.tier.fill(&text, span, tier(name, input)?, errors),
            "manager" => self
                .manager
                .fill(&text, span, value::expression(name, "app.cache", input)?, errors),
            "version" => self
                .version
                .fill(&text, span, value::version(name, input)?, errors),
            "handle" => {
                let called = value::name(name, "GetLead", input)?;
                self.handle.fill(&text, span, called, errors);
            }
            "crate" => self.krate.fill(&text, span, value::path(name, input)?, errors),
            _ => return self.about_time(name, input, errors),
        }
        Ok(())
    }

    /// Reads a duration that is known beforehand, or a part of the TTL.
    fn about_time(&mut self, name: &Ident, input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<()> {
        let text = name.to_string();
        let span = name.span();
        let duration = |input| value::fixed_duration(name, input);
        let part = |example, input| fraction::of_ttl(name, example, input);
        match text.as_str() {
            "stale_if_error" => self.stale_if_error.fill(&text, span, duration(input)?, errors),
            "stale_while_revalidate" => {
                let window = duration(input)?;
                self.stale_while_revalidate.fill(&text, span, window, errors);
            }
            "refresh_ahead" => self.refresh_ahead.fill(&text, span, part("0.8", input)?, errors),
            "soft_timeout" => self.soft_timeout.fill(&text, span, duration(input)?, errors),
            "hard_timeout" => self.hard_timeout.fill(&text, span, duration(input)?, errors),
            "jitter" => self.jitter.fill(&text, span, part("0.1", input)?, errors),
            "none_ttl" => self.none_ttl.fill(&text, span, duration(input)?, errors),
            _ => errors.at(span, format_args!("unknown option `{name}`")),
        }
        Ok(())
    }

    /// The options with which the function may go on after its caller has its value, and where they stand.
    pub(crate) fn background(&self) -> Vec<(&'static str, Span)> {
        let spans = [
            ("stale_while_revalidate", self.stale_while_revalidate.span()),
            ("refresh_ahead", self.refresh_ahead.span()),
            ("soft_timeout", self.soft_timeout.span()),
        ];
        spans
            .into_iter()
            .filter_map(|(name, span)| Some((name, span?)))
            .collect()
    }

    /// Reads a string or closure without a name.
    pub(super) fn bare(&mut self, input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<()> {
        let span = input.span();
        if !input.peek(LitStr) {
            let closure: Expr = input.parse()?;
            self.key_fn.fill("key_fn", span, closure, errors);
            return Ok(());
        }
        let text: LitStr = input.parse()?;
        if text.value().contains('{') {
            let message =
                Message::new("a first string without a name is the `key_type`, which has no placeholders")
                    .help(format_args!("write `key = {}`", text.token()));
            return Err(message.into_error(span));
        }
        self.key_type.fill("key_type", span, text, errors);
        Ok(())
    }
}

/// A tier, as text or as a name.
fn tier(name: &Ident, input: ParseStream<'_>) -> syn::Result<Tier> {
    super::equals(name, "\"memory\"", input)?;
    let span = input.span();
    let written = if input.peek(LitStr) {
        input.parse::<LitStr>()?.value()
    } else if input.peek(syn::Ident) {
        input.parse::<Ident>()?.to_string()
    } else {
        quote::ToTokens::to_token_stream(&input.parse::<Expr>()?).to_string()
    };
    match written.as_str() {
        "memory" => Ok(Tier::Memory),
        "redis" => Ok(Tier::Redis),
        "both" => Ok(Tier::Both),
        _ => {
            let near = crate::suggest::nearest(&written, ["memory", "redis", "both"]);
            Err(Message::new(format_args!("there is no tier `{written}`"))
                .help_if(near.map(|near| format!("a tier with a similar name exists: `{near}`")))
                .note("the tiers are `memory`, `redis`, `both`")
                .into_error(span))
        }
    }
}
