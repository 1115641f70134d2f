//! The places of a type and how they hang together.

use super::super::ask::Ask;

/// Where in its container something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::codec::fingerprint) enum Edge {
    /// The only thing inside: of an option, a newtype, the whole.
    Inside,
    Element,
    Index(usize),
    Key,
    Value,
    Field(&'static str),
    Variant(&'static str),
    /// The field of a map, by the variant that its tag names (empty without one) and its name.
    Found(&'static str, &'static str),
}

/// A place, and what was asked there.
#[derive(Debug)]
pub(in crate::codec::fingerprint) struct Node {
    pub(in crate::codec::fingerprint) ask: Ask,
    pub(in crate::codec::fingerprint) children: Vec<(Edge, usize)>,
    /// The answer given, or the variant, or the fallback.
    pub(in crate::codec::fingerprint) choice: usize,
    /// Every answer was refused.
    pub(in crate::codec::fingerprint) spent: bool,
    /// The variants, for an enum and for a text that turned out to name one.
    pub(in crate::codec::fingerprint) variants: &'static [&'static str],
    /// All variants were tried.
    pub(super) done: bool,
    /// The first variant that was taken; it needs no deeper value of its own type.
    pub(super) good: Option<usize>,
    /// How often this is entered at the moment.
    pub(super) active: usize,
    /// How often the value of a field was refused; those go last.
    pub(super) late: Vec<(&'static str, usize)>,
    pub(super) found: Vec<Found>,
    /// The field or entry that was given last.
    pub(super) given: Option<Edge>,
}

/// A name that a map turned out to need.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub(super) under: &'static str,
    pub(super) name: &'static str,
    /// Its value was taken; of the others one at a time is tried, so that it is known what a refusal is about.
    pub(super) settled: bool,
    /// No value was taken.
    pub(super) dead: bool,
}

impl Found {
    pub(super) fn edge(&self) -> Edge {
        Edge::Found(self.under, self.name)
    }

    /// Whether it belongs to this variant, or to all.
    pub(super) fn applies(&self, under: &str) -> bool {
        self.under.is_empty() || self.under == under
    }
}

/// A node that was entered and is to be left.
#[derive(Debug, Clone, Copy)]
pub(in crate::codec::fingerprint) struct Frame {
    pub(in crate::codec::fingerprint) id: usize,
    pub(super) mark: usize,
    pub(super) nested: usize,
    pub(super) pick: usize,
}
