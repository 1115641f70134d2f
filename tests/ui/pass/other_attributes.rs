#![deny(warnings)]

use cache_core::{cache_result, invalidate_cache};

/// Documented.
#[must_use = "a lead was asked for"]
#[cache_result(key = "lead:{lead_id}", skip(unused))]
#[allow(clippy::unused_async, unused_variables)]
#[inline]
async fn get_lead(lead_id: u64, unused: u8) -> u64 {
    lead_id
}

#[cache_result(key = "never:{id}")]
#[cfg(any())]
async fn never(id: u64) -> NoSuchType {
    id
}

#[cfg(any())]
#[cache_result(key = "never:{id}")]
async fn never(id: u64) -> NoSuchType {
    id
}

async fn never(id: u64) -> u64 {
    id
}

#[invalidate_cache(get_lead(lead_id))]
/// Documented below.
async fn update(#[allow(unused_variables)] note: &str, lead_id: u64) -> u64 {
    lead_id
}

fn main() {
    drop((get_lead(1, 2), never(1), update("a", 1)));
}
