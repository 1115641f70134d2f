#![deny(warnings)]

use cache_core::{CacheKey, KeyWriter, cache_result, invalidate_cache};

#[derive(Clone)]
struct Filter {
    r#type: u8,
}

struct Loop(u8);

impl CacheKey for Loop {
    fn write_key(&self, writer: &mut KeyWriter) {
        self.0.write_key(writer);
    }
}

#[cache_result(key = "match:{type}:{filter.type}:{loop}")]
async fn r#match(r#type: u8, filter: Filter, r#loop: Loop) -> u8 {
    r#type + filter.r#type + r#loop.0
}

#[cache_result(key = "skipped:{id}", skip(r#type))]
async fn skipped(r#type: u8, id: u8) -> u8 {
    r#type + id
}

#[invalidate_cache(r#match(r#type, Filter { r#type: 1 }, Loop(2)), "match:{type}:*")]
async fn update(r#type: u8) -> u8 {
    r#type
}

fn main() {
    assert_eq!(r#match::key(&1, &Filter { r#type: 2 }, &Loop(3)).as_str(), "match:1:2:3");
    drop((r#match(1, Filter { r#type: 2 }, Loop(3)), skipped(1, 2), update(1)));
}
