//! Hits on 64 structs behind an `Arc`: what is left when the clone costs nothing.

use std::sync::Arc;

use crate::data::{Item, items};

/// What is cached.
pub type Value = Arc<Vec<Item>>;

/// The loader.
pub fn load(id: u64) -> Value {
    Arc::new(items(id, 64))
}

#[path = "candidates.rs"]
mod candidates;
pub use candidates::{check, rows};
