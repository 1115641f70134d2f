//! Annotated functions of another crate than that of the test, which must be in its catalogue too. The test gives them
//! nothing to do.

use cache_core::{cache_result, invalidate_cache};

/// Cached, and dropped by functions of two crates.
#[cache_result(key = "shelf:{name}", ttl = "90s")]
pub async fn shelf(name: &str) -> Option<u32> {
    u32::try_from(name.len()).ok()
}

/// Drops the same.
#[invalidate_cache(shelf(name))]
pub async fn move_shelf(name: &str) {
    let _ = name;
}
