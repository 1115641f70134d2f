#![deny(warnings)]

use cache_core::cache_result;

#[cache_result(key = "a:{id}")]
async fn get(_: &str, id: u64, (): ()) -> u64 {
    id
}

#[cache_result(key = "b:{a}:{b}", skip(c, d))]
async fn pair((a, mut b): (u64, u64), [c, ..]: [u8; 2], &d: &u64) -> u64 {
    b += u64::from(c) + d;
    a + b
}

fn main() {
    drop((get("", 1, ()), get::refresh("", 1, ()), get::peek(&1)));
    drop((pair((1, 2), [3, 4], &5), pair::refresh((1, 2), [3, 4], &5), pair::peek(&1, &2)));
}
