//! Values as bytes and back, behind function pointers, so that all above it is compiled once and not for each type.
//! The format is JSON. Invariant: neither direction panics of its own; a failure comes back as text.

mod count;
pub(crate) mod fingerprint;

use std::any::{Any, TypeId};
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::entry;

/// A value of some type, shared and immutable.
pub(crate) type Value = Arc<dyn Any + Send + Sync>;

/// Bytes that were stored under a raw key, and the first type that they were asked for as.
#[derive(Debug)]
pub(crate) struct Encoded {
    pub(crate) bytes: Vec<u8>,
    pub(crate) decoded: OnceLock<Value>,
}

/// What an entry holds.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    /// A value of the type that its function returns.
    Value(Value),
    /// The bytes of a value, for whatever type it is asked for as.
    Encoded(Arc<Encoded>),
    /// A `None`.
    Absent,
}

/// How a function's values are written and read.
#[derive(Clone, Copy)]
pub struct Codec {
    pub(crate) encode: fn(&(dyn Any + Send + Sync)) -> Result<Vec<u8>, String>,
    pub(crate) decode: fn(&[u8]) -> Result<Value, String>,
    /// The number of elements, for what serialises as a sequence of known length.
    pub(crate) count: fn(&(dyn Any + Send + Sync)) -> Option<usize>,
    /// The type.
    pub(crate) of: fn() -> TypeId,
    /// The shape of the type, which takes a while to find.
    pub(crate) shape: fn() -> u64,
    /// Whether nobody reads these keys in another way, so that what does not decode is of no use to anybody.
    pub(crate) sole: bool,
    /// How entries name this codec.
    pub(crate) format: u8,
    /// Tells a value how old and how fresh it is. Most do not care.
    pub(crate) date: fn(&(dyn Any + Send + Sync), Dates),
}

/// How old and how fresh a value is, at one moment of this process' clock; in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dates {
    /// The moment.
    pub(crate) at: u64,
    /// The time since it was loaded.
    pub(crate) age: u64,
    /// How long it is fresh from its load on; 0 when it was refused after all.
    pub(crate) life: u64,
}

impl Dates {
    /// Of a value that was loaded at the start of `fresh`, and is fresh until its end. These are by the clock of a server, which
    /// says `now` when the clock of this process says `at`.
    pub(crate) fn of_stored(fresh: &Range<u64>, now: u64, at: u64) -> Self {
        Self {
            at,
            age: now.saturating_sub(fresh.start),
            life: fresh.end.saturating_sub(fresh.start),
        }
    }
}

impl std::fmt::Debug for Codec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Codec")
    }
}

/// The codec of a type.
pub(crate) fn of<T: Serialize + DeserializeOwned + Send + Sync + 'static>() -> Codec {
    Codec {
        encode: |value| match value.downcast_ref::<T>() {
            Some(value) => serde_json::to_vec(value).map_err(|error| told(&error)),
            None => Err("the value is of another type".to_owned()),
        },
        decode: |bytes| decode::<T>(bytes).map(|value| Arc::new(value) as Value),
        count: |value| count::of(value.downcast_ref::<T>()?),
        of: TypeId::of::<T>,
        shape: fingerprint::of::<T>,
        sole: false,
        format: entry::JSON,
        date: |_, _| {},
    }
}

/// The number of elements of a value that is a list of known length.
pub(crate) fn count<T: Serialize + ?Sized>(value: &T) -> Option<usize> {
    count::of(value)
}

/// The JSON of a value.
pub(crate) fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, String> {
    serde_json::to_vec(value).map_err(|error| error.to_string())
}

/// The value of a JSON text.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    serde_json::from_slice(bytes).map_err(|error| told(&error))
}

/// What a log may have of an error. About data, the error quotes them.
fn told(error: &serde_json::Error) -> String {
    match (error.is_data(), error.line(), error.column()) {
        (true, 0, _) => "its type refuses to be written".to_owned(),
        (true, line, column) => format!("it is no value of the type, at line {line} column {column}"),
        (false, ..) => error.to_string(),
    }
}

/// Whether bytes are what some value was encoded to.
pub(crate) fn is_well_formed(bytes: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok()
}
