#![deny(warnings)]

use cache_core::cache_result;

trait Clock {
    fn now() -> u64;
}

struct System;

impl Clock for System {
    fn now() -> u64 {
        1
    }
}

#[cache_result(key = "age:{id}", skip(C, N))]
async fn age<C: Clock, const N: u8>(id: u64) -> u64 {
    C::now() + id + u64::from(N)
}

fn main() {
    drop((age::<System, 1>(1), age::key(&1), age::refresh::<System, 1>(1)));
}
