#![deny(warnings)]

use std::fmt::Display;

use cache_core::{CacheKey, cache_result, invalidate_cache};

#[cache_result(key = "pair:{a}:{b}")]
async fn pair<A: CacheKey + Display, B>(a: A, b: B) -> String
where
    B: CacheKey + Display,
{
    format!("{a} {b}")
}

#[cache_result(key = "bytes:{bytes}", skip(source))]
async fn bytes<const N: usize, S>(source: &S, bytes: [u8; N]) -> usize
where
    S: Fn(usize) -> usize + Sync,
{
    source(bytes.len())
}

struct Store<T> {
    name: String,
    make: fn(u64) -> T,
}

impl<T> Store<T>
where
    T: Clone + Send + Sync + 'static + Display,
{
    #[cache_result(key = "store:{self.name}:{id}")]
    async fn get(&self, id: u64) -> String {
        (self.make)(id).to_string()
    }

    #[invalidate_cache(self.get(id), Self::get(..))]
    async fn put(&self, id: u64) -> bool {
        id > 0
    }
}

#[invalidate_cache(pair(a, 7_u64), pair::<u64, String>(1, a), bytes([1_u8, 2]))]
async fn forget(a: String) -> usize {
    a.len()
}

fn main() {
    assert_eq!(pair::key(&1_u64, &"x").as_str(), "pair:1:x");
    let store = Store { name: "main".to_owned(), make: |id| id };
    drop((pair(1_u64, 2_u64), bytes(&|n| n, [1, 2]), store.get(1), store.put(1), forget(String::new())));
}
