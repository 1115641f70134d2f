//! `#[invalidate_cache]`: what is dropped once the function has succeeded.
//!
//! Targets are told apart by their form alone; whether a function is cached is for rustc to find. The invariant
//! is that a target that was read has one of the forms that the documentation names.

use proc_macro2::{Ident, TokenStream};
use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::{Expr, ExprCall, ExprMethodCall, ExprPath, LitStr, Path, RangeLimits, Token};

use super::slot::Slot;
use super::{Grammar, each_argument, tags, unknown_option, value};
use crate::errors::{Errors, Message};

const GRAMMAR: Grammar = Grammar {
    name: "invalidate_cache",
    options: &["tags", "manager", "crate"],
    takes_bare: false,
};

#[derive(Default)]
pub(crate) struct InvalidateOptions {
    pub(crate) targets: Vec<Target>,
    pub(crate) tags: Slot<Vec<LitStr>>,
    pub(crate) manager: Slot<Expr>,
    pub(crate) krate: Slot<Path>,
}

/// What is to be dropped.
pub(crate) enum Target {
    /// `get_lead(lead_id)`
    Function { path: ExprPath, arguments: Vec<Expr> },
    /// `search_leads(..)`
    WholeFunction { path: ExprPath },
    /// `Self::get(id)`, `self.get(id)`
    Method {
        owner: MethodOwner,
        name: Ident,
        turbofish: Option<TokenStream>,
        arguments: Vec<Expr>,
    },
    /// `Self::get(..)`, `self.get(..)`
    WholeMethod { owner: MethodOwner, name: Ident },
    /// `"campaign:{id}:*"`
    Text(LitStr),
}

/// What a method is called on.
pub(crate) enum MethodOwner {
    /// `Self::get`, by the path without its last segment and separator.
    Type(TokenStream),
    /// `self.get`
    Value(Expr),
}

/// Reads targets and options.
pub(crate) fn parse(tokens: TokenStream, errors: &mut Errors) -> InvalidateOptions {
    let mut options = InvalidateOptions::default();
    each_argument(tokens, errors, |input, errors| {
        let named = input.peek(Ident::peek_any) && input.peek2(Token![=]) && !input.peek2(Token![==]);
        if named {
            let name = input.call(Ident::parse_any)?;
            return options.named(&name, input, errors);
        }
        let target = if input.peek(LitStr) {
            Target::Text(input.parse()?)
        } else {
            call(input.parse()?)?
        };
        options.targets.push(target);
        Ok(())
    });
    options
}

impl InvalidateOptions {
    fn named(&mut self, name: &Ident, input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<()> {
        let text = name.to_string();
        let span = name.span();
        match text.as_str() {
            "tags" => self.tags.fill(&text, span, tags::list(name, input)?, errors),
            "manager" => self
                .manager
                .fill(&text, span, value::expression(name, "app.cache", input)?, errors),
            "crate" => self.krate.fill(&text, span, value::path(name, input)?, errors),
            _ => return Err(unknown_option(&text, span, &GRAMMAR)),
        }
        Ok(())
    }
}

/// Reads one target, the whole of what is given.
pub(crate) fn parse_one(tokens: TokenStream) -> syn::Result<Target> {
    call(syn::parse2(tokens)?)
}

/// A target in the form of a call.
fn call(expression: Expr) -> syn::Result<Target> {
    match expression {
        Expr::Call(ExprCall { func, args, .. }) => {
            let Expr::Path(path) = *func else {
                return Err(no_target(&func));
            };
            let arguments: Vec<Expr> = args.into_iter().collect();
            let whole = is_whole(&arguments)?;
            Ok(match split_method(&path) {
                Some((owner, name, _)) if whole => Target::WholeMethod {
                    owner: MethodOwner::Type(owner),
                    name,
                },
                Some((owner, name, turbofish)) => Target::Method {
                    owner: MethodOwner::Type(owner),
                    name,
                    turbofish,
                    arguments,
                },
                None if whole => Target::WholeFunction { path },
                None => Target::Function { path, arguments },
            })
        }
        Expr::MethodCall(ExprMethodCall {
            receiver,
            method,
            turbofish,
            args,
            ..
        }) => {
            let arguments: Vec<Expr> = args.into_iter().collect();
            let owner = MethodOwner::Value(*receiver);
            if is_whole(&arguments)? {
                return Ok(Target::WholeMethod { owner, name: method });
            }
            let turbofish = turbofish.map(quote::ToTokens::into_token_stream);
            Ok(Target::Method {
                owner,
                name: method,
                turbofish,
                arguments,
            })
        }
        Expr::Path(path) => {
            let shown = quote::ToTokens::to_token_stream(&path)
                .to_string()
                .replace(' ', "");
            Err(
                Message::new(format_args!("`{shown}` alone does not say which entries to drop"))
                    .help(format_args!(
                        "write `{shown}(..)` for all its entries, or `{shown}(lead_id)` for one"
                    ))
                    .on(&path),
            )
        }
        other => Err(no_target(&other)),
    }
}

fn no_target(expression: &Expr) -> syn::Error {
    Message::new("this is not an invalidation target")
        .help("write a cached function `get_lead(lead_id)` or `search_leads(..)`, a key or pattern `\"campaign:{id}:*\"`, or `tags = [\"city:{city}\"]`")
        .on(expression)
}

/// Whether the arguments are `..` alone.
fn is_whole(arguments: &[Expr]) -> syn::Result<bool> {
    let full_range = |expression: &Expr| {
        matches!(expression, Expr::Range(range)
            if range.start.is_none() && range.end.is_none() && matches!(range.limits, RangeLimits::HalfOpen(_)))
    };
    match arguments.iter().find(|argument| full_range(argument)) {
        None => Ok(false),
        Some(_) if arguments.len() == 1 => Ok(true),
        Some(range) => Err(
            Message::new("`..` stands for all entries of the function, so it stands alone")
                .help("remove the other arguments, or write a pattern such as `\"campaign:{id}:*\"`")
                .on(range),
        ),
    }
}

/// Takes `Type::name` apart. A path is one to a method when what precedes the name is written like a type.
fn split_method(path: &ExprPath) -> Option<(TokenStream, Ident, Option<TokenStream>)> {
    use quote::{ToTokens, quote};
    let mut segments = path.path.segments.clone();
    let last = segments.pop()?;
    let is_type = match (&path.qself, segments.last()) {
        (Some(_), _) => true,
        (None, Some(owner)) => owner.ident.unraw().to_string().starts_with(char::is_uppercase),
        (None, None) => false,
    };
    if !is_type {
        return None;
    }
    let turbofish = (!last.arguments.is_none()).then(|| last.arguments.to_token_stream());
    let owner = match &path.qself {
        // `<T as Trait>::name` is left to rustc, which sees no such name in the trait.
        Some(qself) if qself.position == 0 => {
            let ty = &qself.ty;
            quote!(<#ty>)
        }
        Some(_) => return None,
        None => {
            segments.pop_punct();
            let leading = path.path.leading_colon;
            quote!(#leading #segments)
        }
    };
    Some((owner, last.ident, turbofish))
}
