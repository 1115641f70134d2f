//! What `#[derive(CacheKey)]` generates is lint-clean in a crate that denies everything, and needs no prelude.
#![no_implicit_prelude]
#![deny(
    warnings,
    missing_docs,
    single_use_lifetimes,
    unused,
    unused_qualifications,
    rust_2018_idioms,
    clippy::all,
    clippy::pedantic,
    clippy::nursery,
    clippy::allow_attributes
)]
#![forbid(unsafe_code)]

use ::cache_core::CacheKey;

/// Names that the derive might have used.
#[allow(dead_code, non_camel_case_types)]
mod shadows {
    pub(crate) struct Option;
    pub(crate) struct str;
    pub(crate) trait KeyWriter {}
}
#[allow(unused_imports)]
use shadows::{KeyWriter, Option, str};

/// An id.
#[derive(CacheKey)]
pub struct Id(u64);

/// A name that borrows.
#[derive(CacheKey)]
pub struct Name<'a> {
    text: &'a ::std::primitive::str,
    __k: u8,
}

/// A kind.
#[derive(CacheKey)]
pub enum Kind<T> {
    /// None at all.
    Nothing,
    /// Several.
    Several(T, T),
    /// One that has gone.
    #[deprecated]
    Gone {
        /// Since when.
        __0: u64,
    },
}

/// What no value has.
#[derive(CacheKey)]
pub enum Never {}

fn main() {
    let _ = (Id(1).0, Name { text: "a", __k: 1 }.text, Kind::Several(1, 2), Kind::<u8>::Nothing);
}
