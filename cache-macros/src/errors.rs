//! The collected mistakes of one attribute, and the shape of a message.
//!
//! Not the mistakes themselves: each check words its own. The invariant is that nothing stops at the first
//! mistake: whoever finds one pushes it here and goes on.

use std::fmt::{self, Display};

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;

/// The mistakes found so far, in the order in which they were found.
#[derive(Default)]
pub(crate) struct Errors {
    combined: Option<syn::Error>,
}

impl Errors {
    pub(crate) fn push(&mut self, error: syn::Error) {
        match &mut self.combined {
            Some(combined) => combined.combine(error),
            None => self.combined = Some(error),
        }
    }

    pub(crate) fn at(&mut self, span: Span, message: impl Display) {
        self.push(syn::Error::new(span, message));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.combined.is_none()
    }

    /// One `compile_error!` for each mistake.
    pub(crate) fn into_compile_errors(self) -> TokenStream {
        self.combined
            .map(syn::Error::into_compile_error)
            .unwrap_or_default()
    }
}

impl Errors {
    /// The same where an expression stands.
    pub(crate) fn into_expression(self) -> TokenStream {
        let errors = self.into_compile_errors();
        quote::quote!({ #errors })
    }
}

/// What is wrong in one lower-case line, then what to do about it.
pub(crate) struct Message {
    lines: String,
}

impl Message {
    pub(crate) fn new(what: impl Display) -> Self {
        Self {
            lines: what.to_string(),
        }
    }

    /// What to write instead.
    pub(crate) fn help(self, help: impl Display) -> Self {
        self.line(format_args!("help: {help}"))
    }

    /// What helps to understand.
    pub(crate) fn note(self, note: impl Display) -> Self {
        self.line(format_args!("note: {note}"))
    }

    pub(crate) fn help_if(self, help: Option<impl Display>) -> Self {
        match help {
            Some(help) => self.help(help),
            None => self,
        }
    }

    /// A line as it is, for drawings.
    pub(crate) fn line(mut self, line: impl Display) -> Self {
        self.lines.push('\n');
        self.lines.push_str(&line.to_string());
        self
    }

    pub(crate) fn into_error(self, span: Span) -> syn::Error {
        syn::Error::new(span, self)
    }

    /// An error that underlines all of these tokens.
    pub(crate) fn on(self, tokens: impl ToTokens) -> syn::Error {
        syn::Error::new_spanned(tokens, self)
    }
}

impl Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines)
    }
}

/// `` `a`, `b`, `c` ``
pub(crate) fn list<T: Display>(names: impl IntoIterator<Item = T>) -> String {
    let quoted: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}
