#![deny(warnings)]

use cache_core::{cache_impl, cache_result, invalidate_cache};

#[async_trait::async_trait]
trait Load<T: Send>: Sync {
    async fn load(&self, id: u64) -> Option<T>;
    async fn drop_it(&self, id: u64) -> u64;
}

struct Repo<T>(std::marker::PhantomData<fn() -> T>);

#[cache_impl]
#[async_trait::async_trait]
impl<T> Load<T> for Repo<T>
where
    T: Clone + Default + Send + Sync + serde::Serialize + serde::de::DeserializeOwned + 'static,
{
    #[cache_result(skip(self))]
    async fn load(&self, id: u64) -> Option<T> {
        (id > 0).then(T::default)
    }

    #[invalidate_cache(Self::load(id), Self::load(..))]
    async fn drop_it(&self, id: u64) -> u64 {
        id
    }
}

fn main() {
    let repo = Repo::<u8>(std::marker::PhantomData);
    drop((repo.load(1), repo.drop_it(1)));
}
