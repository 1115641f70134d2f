//! A function that goes on after its caller has its value borrows nothing from it.
//!
//! Only what the signature shows; what an alias hides, or cannot be sent to another thread, is left to the traits of the
//! generated code. The invariant is that nothing is refused here that rustc would accept in a body that uses it.

use proc_macro2::Span;
use syn::visit::{self, Visit};
use syn::{FnArg, Lifetime, Pat, Receiver, ReceiverKind, Type, TypeReference};

use super::owned::{owned, owned_cow, shown};
use crate::errors::{Errors, Message};
use crate::model::Cached;
use crate::signature::value_of;

pub(crate) fn nothing_is_borrowed(cached: &Cached, errors: &mut Errors) {
    let options = cached.options.background();
    let options: Vec<String> = options.iter().map(|(name, _)| format!("`{name}`")).collect();
    let with = match options.as_slice() {
        [] => return,
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    };
    let mut refuse = |what: &str, needs: &str, instead: &str, span: Span| {
        let message = Message::new(format_args!(
            "`{what}` is borrowed, but with {with} the function goes on after its caller has its value"
        ))
        .help(format_args!("it needs {needs}: {instead}"));
        errors.push(message.into_error(span));
    };
    for input in &cached.function.signature.inputs {
        match input {
            FnArg::Receiver(receiver) => {
                if let Some(span) = borrowed_receiver(receiver) {
                    let instead = format!("write `self: Arc<Self>` instead of `{}`", shown(receiver));
                    refuse("self", ARGUMENTS, &instead, span);
                }
            }
            // The body cannot use it.
            FnArg::Typed(parameter) if matches!(*parameter.pat, Pat::Wild(_)) => {}
            FnArg::Typed(parameter) => {
                if let Some(borrow) = Borrow::in_type(&parameter.ty) {
                    let what = match &*parameter.pat {
                        Pat::Ident(pattern) => pattern.ident.to_string(),
                        _ => shown(borrow.ty()),
                    };
                    refuse(&what, ARGUMENTS, &borrow.instead(), borrow.span());
                }
            }
        }
    }
    // A value that is a reference is refused in any case; what is left are errors.
    let ty = cached.function.return_type();
    if let Some(borrow) = Borrow::in_type(&ty).filter(|_| !matches!(value_of(&ty), Type::Reference(_))) {
        let what = shown(borrow.ty());
        refuse(&what, "to return what is owned", &borrow.instead(), borrow.span());
    }
}

const ARGUMENTS: &str = "owned arguments";

fn borrowed_receiver(receiver: &Receiver) -> Option<Span> {
    match &receiver.kind {
        ReceiverKind::Reference(and, lifetime, _) => {
            let is_static = lifetime.as_ref().is_some_and(is_static);
            (!is_static).then_some(and.span)
        }
        ReceiverKind::Typed(_, ty) => Borrow::in_type(ty).map(|borrow| borrow.span()),
        _ => None,
    }
}

/// What is borrowed in a type.
enum Borrow<'ast> {
    /// `&str`
    Reference(&'ast Type, &'ast TypeReference),
    /// `'a` or `'_`, and the type that it is an argument of.
    Lifetime(&'ast Type, &'ast Lifetime),
}

impl<'ast> Borrow<'ast> {
    /// The first one.
    fn in_type(ty: &'ast Type) -> Option<Self> {
        let mut find = Find {
            inside: ty,
            bound: Vec::new(),
            found: None,
        };
        find.visit_type(ty);
        find.found
    }

    fn ty(&self) -> &'ast Type {
        match self {
            Self::Reference(ty, _) | Self::Lifetime(ty, _) => ty,
        }
    }

    fn span(&self) -> Span {
        match self {
            Self::Reference(_, reference) => reference.and_token.span,
            Self::Lifetime(_, lifetime) => lifetime.apostrophe,
        }
    }

    /// What to write for it.
    fn instead(&self) -> String {
        let written = shown(self.ty());
        let owned = match self {
            Self::Reference(_, reference) => Some(owned(reference)),
            Self::Lifetime(ty, _) => owned_cow(ty),
        };
        match owned {
            Some(owned) => format!("write `{owned}` instead of `{written}`"),
            None => format!("use a type that borrows nothing instead of `{written}`"),
        }
    }
}

struct Find<'ast> {
    /// The type whose parts are visited.
    inside: &'ast Type,
    /// The lifetimes of `for<'a>` around it.
    bound: Vec<&'ast Lifetime>,
    found: Option<Borrow<'ast>>,
}

impl<'ast> Visit<'ast> for Find<'ast> {
    fn visit_type(&mut self, ty: &'ast Type) {
        let outside = std::mem::replace(&mut self.inside, ty);
        visit::visit_type(self, ty);
        self.inside = outside;
    }

    fn visit_type_reference(&mut self, reference: &'ast TypeReference) {
        // What is behind a `'static` reference is `'static` itself.
        if !reference.lifetime.as_ref().is_some_and(is_static) {
            let inside = self.inside;
            self.found.get_or_insert(Borrow::Reference(inside, reference));
        }
    }

    fn visit_lifetime(&mut self, lifetime: &'ast Lifetime) {
        if !is_static(lifetime) && !self.bound.iter().any(|bound| bound.ident == lifetime.ident) {
            let inside = self.inside;
            self.found.get_or_insert(Borrow::Lifetime(inside, lifetime));
        }
    }

    fn visit_trait_bound(&mut self, bound: &'ast syn::TraitBound) {
        let outside = self.bound.len();
        for parameter in bound.lifetimes.iter().flat_map(|lifetimes| &lifetimes.lifetimes) {
            if let syn::GenericParam::Lifetime(parameter) = parameter {
                self.bound.push(&parameter.lifetime);
            }
        }
        visit::visit_path(self, &bound.path);
        self.bound.truncate(outside);
    }

    // What a function takes, it does not hold.
    fn visit_type_fn_ptr(&mut self, _: &'ast syn::TypeFnPtr) {}
    fn visit_parenthesized_generic_arguments(&mut self, _: &'ast syn::ParenthesizedGenericArguments) {}
    fn visit_expr(&mut self, _: &'ast syn::Expr) {}
}

fn is_static(lifetime: &Lifetime) -> bool {
    lifetime.ident == "static"
}

#[cfg(test)]
mod tests {
    use syn::Type;

    use super::Borrow;

    fn instead(text: &str) -> Option<String> {
        let ty: Type = syn::parse_str(text).ok()?;
        Borrow::in_type(&ty).map(|borrow| borrow.instead())
    }

    fn write(owned: &str, borrowed: &str) -> String {
        format!("write `{owned}` instead of `{borrowed}`")
    }

    #[test]
    fn c11_borrowed_types_have_an_owned_form() {
        for (borrowed, owned) in [
            ("&str", "String"),
            ("&'a str", "String"),
            ("&String", "String"),
            ("&&str", "String"),
            ("&[u8]", "Vec<u8>"),
            ("&[&str]", "Vec<String>"),
            ("&Vec<u8>", "Vec<u8>"),
            ("&u64", "u64"),
            ("&(u8, u8)", "(u8, u8)"),
            ("&std::path::Path", "PathBuf"),
            ("&Db", "Arc<Db>"),
            ("&db::Pool<Postgres>", "Arc<db::Pool<Postgres>>"),
            ("&dyn Store", "Arc<dyn Store>"),
            ("&(dyn Store + Sync)", "Arc<dyn Store + Sync>"),
            ("&mut Db", "Arc<Mutex<Db>>"),
            ("Cow<'_, str>", "String"),
            ("Cow<'a, [u8]>", "Vec<u8>"),
        ] {
            assert_eq!(instead(borrowed), Some(write(owned, borrowed)));
        }
    }

    #[test]
    fn c11_what_is_borrowed_inside_is_found() {
        assert_eq!(instead("Option<&str>"), Some(write("String", "&str")));
        assert_eq!(instead("(u8, Vec<&Db>)"), Some(write("Arc<Db>", "&Db")));
        for (ty, borrowed) in [
            ("Guard<'_, Db>", "Guard<'_, Db>"),
            ("Arc<Guard<'a>>", "Guard<'a>"),
            ("impl Store + 'a", "impl Store + 'a"),
            ("Box<dyn Store + 'a>", "dyn Store + 'a"),
        ] {
            let expected = format!("use a type that borrows nothing instead of `{borrowed}`");
            assert_eq!(instead(ty), Some(expected));
        }
    }

    #[test]
    fn c11_what_holds_nothing_borrowed_is_accepted() {
        for ty in [
            "String",
            "&'static str",
            "&'static [&'static str]",
            "Cow<'static, str>",
            "Arc<dyn Store>",
            "fn(&str) -> &str",
            "Box<dyn Fn(&str) -> u8 + Send>",
            "impl for<'a> Reader<'a>",
            "[u8; 4]",
        ] {
            assert_eq!(instead(ty), None, "{ty}");
        }
    }
}
