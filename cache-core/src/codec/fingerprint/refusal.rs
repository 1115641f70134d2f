//! Why a trace was refused something: the errors of serde that carry a name, and how far each has been dealt with.
//! It keeps no text: what a visitor writes for people may change with every release.

use std::fmt;

/// The error of the tracing deserializer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// A visitor, or what is built from its value, does not take an answer.
    Answer,
    /// A field of this name is required.
    Missing(&'static str),
    /// A field was given twice; so two names are one field.
    Duplicate,
    /// Only these names are known here.
    Names(&'static [&'static str]),
    /// Something will be answered differently in the next round.
    Handled,
    /// Nothing is left to be answered differently below this point.
    Stuck,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a made-up answer was refused")
    }
}

impl std::error::Error for Refusal {}

impl serde::de::Error for Refusal {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self::Answer
    }

    fn missing_field(field: &'static str) -> Self {
        Self::Missing(field)
    }

    fn duplicate_field(_: &'static str) -> Self {
        Self::Duplicate
    }

    fn unknown_field(_: &str, expected: &'static [&'static str]) -> Self {
        Self::Names(expected)
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self::Names(expected)
    }

    // The defaults of these write the text that is thrown away here.
    fn invalid_type(_: serde::de::Unexpected<'_>, _: &dyn serde::de::Expected) -> Self {
        Self::Answer
    }

    fn invalid_value(_: serde::de::Unexpected<'_>, _: &dyn serde::de::Expected) -> Self {
        Self::Answer
    }

    fn invalid_length(_: usize, _: &dyn serde::de::Expected) -> Self {
        Self::Answer
    }
}
