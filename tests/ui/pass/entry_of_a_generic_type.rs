#![deny(warnings)]

use std::marker::PhantomData;

use cache_core::{cache_result, entry};

struct Repo<T>(PhantomData<T>);

impl<T> Repo<T>
where
    T: Clone + Default + Send + Sync + serde::Serialize + serde::de::DeserializeOwned + 'static,
{
    #[cache_result(skip(self))]
    async fn get(&self, id: u64) -> Option<T> {
        (id > 0).then(T::default)
    }
}

async fn all() {
    let _: Option<u8> = entry!(Repo::<u8>::get(1)).peek().await;
    entry!(<Repo<String>>::get(1)).put(String::new()).await;
    let _ = Repo(PhantomData::<u8>).get(1).await;
}

fn main() {
    drop(all());
}
