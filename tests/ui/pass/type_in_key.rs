#![deny(warnings)]

use cache_core::{cache_result, invalidate};
use serde::Serialize;
use serde::de::DeserializeOwned;

trait Table: Clone + Default + Send + Sync + Serialize + DeserializeOwned + 'static {}

impl Table for u8 {}
impl Table for String {}

#[cache_result(key = "row:{T}:{id}")]
async fn row<T: Table>(id: u64) -> Result<Option<T>, String> {
    Ok((id > 0).then(T::default))
}

async fn all() {
    let _: Option<u8> = row::peek::<u8>(&1).await;
    row::put::<String>(&1, String::new()).await;
    invalidate!(row::<u8>(1), row(..)).await;
    let _ = row::<u8>(1).await;
}

fn main() {
    assert_eq!(row::key::<u8>(&1).as_str(), "row:u8:1");
    drop(all());
}
