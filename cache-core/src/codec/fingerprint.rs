//! The shape of a type as a number: what its own `Deserialize` asks for when it is run against made-up values.
//! Invariant: the same type has the same fingerprint in every process, build and platform; and it never panics of its
//! own, never runs for ever and keeps a bounded trace, whatever the type does.
//!
//! It sees: the names of fields, with `#[serde(default)]` and aliases too, and of all variants; which primitive each
//! value is; options, sequences, tuples, maps, newtypes; and all of this inside of each other. Names of types and the
//! order of fields are no part of it, since JSON does not have them.
//!
//! Where a type reads a map of unknown fields (`flatten`, an internally tagged enum), it sees the required fields, by
//! what is missed, and of the values that are buffered the kind of the first made-up one that is taken. It does not see
//! optional and defaulted fields in there, what is inside of buffered sequences and maps, and an untagged enum but for
//! the first made-up value that it takes. It does not see what a type reads out of a text or a number by itself, nor
//! what follows a value for which it knows no valid text in a tuple, or as the value of such a key.
//!
//! A type that panics on a made-up value has the fingerprint of what it asked until then.

mod ask;
mod digest;
mod refusal;
#[cfg(test)]
mod tests;
mod trace;
mod tracer;

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::de::DeserializeOwned;

use refusal::Refusal;
use trace::Trace;
use tracer::Tracer;

/// The fingerprint of a type's shape; never 0.
pub(crate) fn of<T: DeserializeOwned>() -> u64 {
    // The value is dropped in there too: that is the type's own code as well.
    run(|tracer| T::deserialize(tracer).err())
}

fn run(round: fn(Tracer<'_>) -> Option<Refusal>) -> u64 {
    let trace = RefCell::new(Trace::new());
    while let Ok(refusal) = catch_unwind(AssertUnwindSafe(|| round(Tracer::whole(&trace)))) {
        if !trace.borrow_mut().again(refusal) {
            break;
        }
    }
    digest::of(&trace.borrow().nodes)
}
