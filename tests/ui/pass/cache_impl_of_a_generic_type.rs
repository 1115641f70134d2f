#![deny(warnings)]

use std::marker::PhantomData;

use cache_core::{CacheKey, cache_impl, cache_result, invalidate};

trait Load<I> {
    fn load(&self, id: u64) -> impl Future<Output = u64>;
}

struct Repo<T, const N: usize> {
    tenant: T,
}

#[cache_impl]
impl<T, I: Default, const N: usize> Load<I> for Repo<T, N>
where
    T: CacheKey,
    I: Send,
{
    #[cache_result(key = "repo:{self.tenant}:{id}")]
    async fn load(&self, id: u64) -> u64 {
        let _: PhantomData<I> = PhantomData;
        id + N as u64
    }
}

async fn all() {
    let repo = Repo::<u8, 1> { tenant: 1 };
    let _ = Load::<u8>::load(&repo, 1).await;
    invalidate!(repo.load(1), Repo::<u8, 1>::load(..)).await;
}

fn main() {
    drop(all());
}
