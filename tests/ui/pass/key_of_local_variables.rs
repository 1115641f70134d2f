#![deny(warnings)]

use cache_core::{CacheKey, CacheManager, Key, key};

#[derive(CacheKey, serde::Serialize)]
enum Period {
    All,
}

struct Filter<'a> {
    city: Option<&'a str>,
    range: (u8, u8),
}

struct Repo {
    tenant: String,
}

impl Repo {
    fn key(&self, id: u64) -> Key {
        key!("repo:{self.tenant}:{id}")
    }
}

async fn all(cache: &CacheManager) {
    let (id, r#type, period) = (7_u64, "a:b", Period::All);
    let filter = Filter { city: Some("Bonn"), range: (1, 2) };
    let key: Key = key!("lead:{id}:{type}:{period}:{filter.city}:{filter.range.1}:{type:hash}:{type:lower}-{id}",);
    let _ = cache.set(&key, &1).await;
    let _: Option<u8> = cache.get(&key).await;
    let _: Option<u8> = cache.get(key!("lead:{id}")).await;
    let _ = cache.get_or_fetch(key!("lead:{id}"), || async { Ok::<u8, String>(1) }).await;
    let _ = cache.get_many::<u8>(&[key!("lead:1"), key.clone()]).await;
    let _ = cache.get_many::<u8>([key!("lead:1")]).await;
    let _ = cache.set_many([(key!("lead:{id}"), 1)]).await;
    let _ = cache.delete_many(&[key!("lead:1")]).await;
    let _ = (cache.exists(&key).await, cache.ttl(&key).await, cache.delete(key).await);
}

fn main() {
    let (a, b) = ("a:*", 1);
    assert_eq!(key!("x:{a}:{b}").as_str(), "x:a%3A%2A:1");
    assert_eq!(Repo { tenant: "t".to_owned() }.key(1).as_str(), "repo:t:1");
    drop(all(&CacheManager::in_memory()));
}
