#![deny(warnings)]

use cache_core::cache_result;

/// Neither `Serialize` nor `Deserialize`.
#[derive(Clone)]
struct Handle(u64);

#[cache_result(key = "memory:{id}", tier = memory)]
async fn in_memory(id: u64) -> Handle {
    Handle(id)
}

#[cache_result(key = "redis:{id}", tier = redis)]
async fn in_redis(id: u64) -> u64 {
    id
}

#[cache_result(key = "both:{id}", tier = "both")]
async fn in_both(id: u64) -> u64 {
    id
}

fn main() {
    drop((in_memory(1), in_memory::put(&1, Handle(2)), in_redis::peek(&1), in_both::refresh(1)));
    drop((in_redis(1), in_both(1), Handle(1).0));
}
