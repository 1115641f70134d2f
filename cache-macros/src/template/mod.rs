//! What a key template is: literal text and placeholders, each with the place where it stands.
//!
//! No names are resolved here, and nothing of this knows tokens or spans; places are byte ranges of the
//! unescaped text. The invariant is that the parts of a template that parsed cover its text in order, and that
//! no two literals are neighbours.

mod parser;

use std::ops::Range;

pub(crate) use parser::parse;

/// What a template is for, which decides what its literals may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flavor {
    /// The key of a cached function: begins with a namespace, has no empty segment and no glob character.
    Key,
    /// The value of `key_type`: what a key begins with, without placeholders.
    KeyType,
    /// A key or a pattern to invalidate: any text, since raw keys are any text.
    Target,
    /// A tag: any text without glob characters.
    Tag,
}

/// A template that parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template {
    pub(crate) parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Literal(String),
    Placeholder(Placeholder),
}

/// `{root.field.0:filter}`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Placeholder {
    pub(crate) root: String,
    pub(crate) fields: Vec<Field>,
    pub(crate) filter: Option<Filter>,
    /// Where the root stands.
    pub(crate) root_range: Range<usize>,
    /// Where root and fields stand.
    pub(crate) path_range: Range<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    Named(String),
    Index(u32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Filter {
    Hash,
    Lower,
}

impl Filter {
    pub(crate) const NAMES: [&'static str; 2] = ["hash", "lower"];

    fn by_name(name: &str) -> Option<Self> {
        match name {
            "hash" => Some(Self::Hash),
            "lower" => Some(Self::Lower),
            _ => None,
        }
    }
}

/// What is wrong with a template, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) range: Range<usize>,
    pub(crate) what: String,
    pub(crate) help: String,
}
