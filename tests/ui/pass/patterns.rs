#![deny(warnings)]

use cache_core::{cache_result, invalidate_cache};

struct Point {
    x: u32,
    y: u32,
}
struct Marker;

#[cache_result(key = "point:{x}:{down}:{first}:{last}:{by}:{whole.x}:{count}")]
async fn point(
    Point { x, y: down }: Point,
    [first, .., last]: [u8; 4],
    &by: &u8,
    whole @ Point { .. }: Point,
    mut count: u32,
    Marker: Marker,
    _: u64,
) -> u32 {
    count += x + down + u32::from(first) + u32::from(last) + u32::from(by) + whole.y;
    count
}

#[invalidate_cache("point:{x}:*")]
async fn forget((x, _): (u32, u32)) -> u32 {
    x
}

fn main() {
    let point_of = || Point { x: 1, y: 2 };
    drop(point(point_of(), [1, 2, 3, 4], &1, point_of(), 0, Marker, 0));
    drop(forget((1, 2)));
}
