//! C10: a value that is a type parameter is taken as it is, also where it becomes `()`.
#![deny(warnings)]

use cache_core::cache_result;
use serde::Serialize;
use serde::de::DeserializeOwned;

#[cache_result(key = "a:{T}:{id}")]
async fn parsed<T>(id: u64) -> Result<T, std::io::Error>
where
    T: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
{
    serde_json::from_str(&id.to_string()).map_err(Into::into)
}

#[cache_result(key = "b:{T}:{id}", none_ttl = 5, tier = "memory")]
async fn found<T: Clone + Default + Send + Sync + 'static>(id: u64) -> Option<T> {
    (id > 0).then(T::default)
}

fn main() {
    drop((parsed::<u64>(1), parsed::<()>(1), found::<()>(1), found::<String>(1)));
}
