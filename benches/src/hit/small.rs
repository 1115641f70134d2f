//! Hits on a struct of 40 bytes with one string, returned by value.

use crate::data::Item;

/// What is cached.
pub type Value = Item;

/// The loader.
pub use crate::data::item as load;

#[path = "candidates.rs"]
mod candidates;
pub use candidates::{check, rows};
