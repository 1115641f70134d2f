#![deny(warnings)]

use cache_core::{cache_result, invalidate};

#[cache_result(key = "lead:{id}")]
async fn get_lead(id: u64) -> Option<u64> {
    Some(id)
}

pub async fn update(id: u64) {
    invalidate!(get_lead(id));
}

fn main() {
    drop((get_lead(1), update(1)));
}
