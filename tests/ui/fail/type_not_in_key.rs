use cache_core::cache_result;

#[cache_result(key = "row:{id}", ttl = 60)]
async fn row<T: Default + Clone + Send + Sync + serde::Serialize + serde::de::DeserializeOwned + 'static>(id: u64) -> T {
    let _ = id;
    T::default()
}

fn main() {}
