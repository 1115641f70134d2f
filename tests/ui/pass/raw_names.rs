#![deny(warnings)]

use cache_core::{cache_impl, cache_lead_data, cache_result, entry, invalidate, invalidate_cache, key};

#[cache_result(key = "match:{type}:{async}")]
async fn r#match(r#type: u64, r#async: &str) -> u64 {
    r#type + r#async.len() as u64
}

#[cache_lead_data(id = r#ref, skip(r#fn))]
async fn r#loop(r#ref: u64, r#fn: u8) -> Option<u64> {
    let _ = r#fn;
    Some(r#ref)
}

struct r#Struct;

#[cache_impl]
impl r#Struct {
    #[cache_result]
    async fn r#move(r#in: u64) -> u64 {
        r#in
    }

    #[cache_result(key = "dyn:{in}", skip(self))]
    async fn r#dyn(&self, r#in: u64) -> u64 {
        r#in
    }
}

#[invalidate_cache(r#match(r#type, "a"), r#Struct::r#move(r#type), r#Struct::r#dyn(..), "x:{type}")]
async fn r#enum(r#type: u64) -> u64 {
    invalidate!(r#loop(r#type), "y:{type}:*").await;
    let _ = (key!("z:{type}"), entry!(r#Struct::r#dyn(r#type)));
    r#type
}

fn main() {
    assert_eq!(r#match::key(&1, "a").as_str(), "match:1:a");
    drop((r#match(1, "a"), r#loop(1, 2), r#loop::refresh(1, 2), r#enum(1), r#Struct.r#dyn(1), r#Struct::r#move(1)));
}
