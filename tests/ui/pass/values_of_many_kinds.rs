#![deny(warnings)]

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use cache_core::cache_result;

#[cache_result(key = "a:{id}")]
async fn map(id: u64) -> HashMap<String, Vec<u64>> {
    HashMap::from([(String::new(), vec![id])])
}

#[cache_result(key = "b:{id}")]
async fn tuple(id: u64) -> (u64, [u8; 2], Option<char>) {
    (id, [0; 2], None)
}

#[cache_result(key = "c:{id}")]
async fn text(id: u64) -> Arc<str> {
    id.to_string().into()
}

#[cache_result(key = "d:{id}")]
async fn boxed(id: u64) -> anyhow::Result<Box<BTreeMap<u64, ()>>> {
    Ok(Box::new(BTreeMap::from([(id, ())])))
}

#[cache_result(key = "e:{id}", tier = memory)]
async fn of_this_process(id: u64) -> Arc<dyn Fn(u64) -> u64 + Send + Sync> {
    Arc::new(move |other| other + id)
}

async fn all() {
    map::put(&1, HashMap::new()).await;
    let _: Option<(u64, [u8; 2], Option<char>)> = tuple::peek(&1).await;
    let _: Option<Arc<str>> = text::peek(&1).await;
    boxed::put(&1, Box::default()).await;
    let add: Option<Arc<dyn Fn(u64) -> u64 + Send + Sync>> = of_this_process::peek(&1).await;
    drop(add);
    drop((map(1), tuple(1), text(1), boxed(1), of_this_process(1)));
}

fn main() {
    drop(all());
}
