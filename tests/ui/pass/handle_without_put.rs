#![deny(warnings)]

use std::time::Duration;

use cache_core::cache_result;

/// What is put without `team` could not be invalidated by it.
#[cache_result(key = "a:{id}", skip(team), tags = ["team:{team}"])]
async fn tagged(id: u64, team: u64) -> u64 {
    id + team
}

#[cache_result(key = "b:{id}", skip(ttl), ttl = Duration::from_secs(ttl))]
async fn timed(id: u64, ttl: u64) -> u64 {
    id
}

fn main() {
    drop((tagged(1, 2), tagged::peek(&1), tagged::refresh(1, 2), timed(1, 2), timed::peek(&1)));
}
