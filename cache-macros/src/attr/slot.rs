//! The place of one option: its value, and where its name stands.
//!
//! Not the reading of values. The invariant is that a second value never replaces the first one silently: the
//! check for duplicates is here and nowhere else.

use proc_macro2::Span;

use crate::errors::{Errors, Message};

/// An option that may be given once.
pub(crate) struct Slot<T> {
    given: Option<Given<T>>,
}

struct Given<T> {
    name_span: Span,
    value: T,
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self { given: None }
    }
}

impl<T> Slot<T> {
    /// Keeps the value, or reports that there is one.
    pub(crate) fn fill(&mut self, name: &str, name_span: Span, value: T, errors: &mut Errors) {
        if self.given.is_some() {
            let message = Message::new(format_args!("`{name}` is given twice")).help("remove one of the two");
            errors.push(message.into_error(name_span));
            return;
        }
        self.given = Some(Given { name_span, value });
    }

    pub(crate) fn get(&self) -> Option<&T> {
        self.given.as_ref().map(|given| &given.value)
    }

    pub(crate) fn get_mut(&mut self) -> Option<&mut T> {
        self.given.as_mut().map(|given| &mut given.value)
    }

    /// Where the option's name stands, if it is given.
    pub(crate) fn span(&self) -> Option<Span> {
        self.given.as_ref().map(|given| given.name_span)
    }
}
