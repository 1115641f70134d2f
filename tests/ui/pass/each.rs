#![deny(warnings, clippy::all, clippy::pedantic)]

use std::collections::HashMap;
use std::fmt::Display;
use std::hash::{BuildHasherDefault, DefaultHasher, Hash};
use std::rc::Rc;
use std::sync::Arc;

use cache_core::{CacheKey, CacheManager, cache_impl, cache_result, invalidate, invalidate_cache};
use serde::Serialize;
use serde::de::DeserializeOwned;

#[derive(Clone, PartialEq, Eq, Hash, CacheKey)]
struct Id {
    tenant: u64,
    name: String,
}

#[cache_result(key = "user:{id.tenant}:{id.name:lower}", each = id in ids, tags = ["tenant:{id.tenant}"])]
async fn by_field(mut ids: Vec<Id>) -> anyhow::Result<HashMap<Id, Arc<String>>> {
    ids.reverse();
    Ok(ids
        .into_iter()
        .map(|id| (id.clone(), Arc::new(id.name)))
        .collect())
}

/// Elements that are borrowed, and a hasher of its own.
#[cache_result(key = "name:{name}", each = name in names)]
async fn by_name<'a>(names: &[&'a str]) -> HashMap<&'a str, usize, BuildHasherDefault<DefaultHasher>> {
    names.iter().map(|name| (*name, name.len())).collect()
}

#[cache_result(key = "any:{id}:{T}", each = id in ids, skip(make), tier = "memory")]
async fn generic<K, T>(ids: Vec<K>, mut make: impl FnMut(&K) -> T + Clone) -> Result<HashMap<K, T>, std::io::Error>
where
    K: CacheKey + Clone + Eq + Hash + Send + Sync,
    T: Clone + Send + Sync + 'static,
{
    let mut made = HashMap::new();
    for id in ids {
        let value = make(&id);
        made.insert(id, value);
    }
    Ok(made)
}

#[cache_result(key = "text:{id}:{value}", each = id in ids, skip(E))]
async fn of_values<V: Clone + Send + Sync + Serialize + DeserializeOwned + 'static, E: Display>(
    ids: &[u64],
    value: V,
) -> Result<HashMap<u64, Option<V>>, E>
where
    V: CacheKey,
{
    Ok(ids.iter().map(|id| (*id, Some(value.clone()))).collect())
}

#[cache_result("spaced", each = id in ids)]
async fn by_key_type(tenant: u64, ids: Vec<u64>) -> HashMap<u64, u64> {
    ids.into_iter().map(|id| (id, tenant)).collect()
}

#[cache_result("computed", |tenant, id| format!("{tenant}-{id}"), each = id in ids)]
async fn by_key_fn(tenant: u64, ids: Vec<String>) -> HashMap<String, u64> {
    ids.into_iter().map(|id| (id, tenant)).collect()
}

#[cache_result(each = id in ids)]
async fn by_path(ids: Vec<u64>) -> HashMap<u64, u64> {
    ids.into_iter().map(|id| (id, id)).collect()
}

/// What is not `Send` is no reason to refuse it.
#[cache_result(key = "local:{id}", each = id in ids, skip(db))]
async fn local(db: Rc<u64>, ids: Vec<u64>) -> HashMap<u64, u64> {
    ids.into_iter().map(|id| (id, *db)).collect()
}

struct Repo {
    tenant: u64,
    cache: CacheManager,
}

impl Repo {
    #[cache_result(key = "repo:{self.tenant}:{id}", each = id in ids, manager = self.cache)]
    pub async fn find(&self, ids: &[u64]) -> HashMap<u64, u64> {
        ids.iter().map(|id| (*id, self.tenant)).collect()
    }

    #[invalidate_cache(self.find(id))]
    pub async fn change(&self, id: u64) -> u64 {
        id
    }
}

#[async_trait::async_trait]
trait Users {
    async fn users(&self, ids: Vec<u64>) -> HashMap<u64, u64>;
}

#[cache_impl]
#[async_trait::async_trait]
impl Users for Repo {
    #[cache_result(key = "boxed:{self.tenant}:{id}", each = id in ids)]
    async fn users(&self, ids: Vec<u64>) -> HashMap<u64, u64> {
        ids.into_iter().map(|id| (id, self.tenant)).collect()
    }
}

fn is_send<T: Send>(value: T) -> T {
    value
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    CacheManager::in_memory().install();
    let id = Id {
        tenant: 1,
        name: "Ann".to_owned(),
    };
    assert_eq!(by_field::key(&id).as_str(), "user:1:ann");
    assert_eq!(by_field(vec![id.clone()]).await?[&id].as_str(), "Ann");
    assert!(by_field::peek(&id).await.is_some());
    assert_eq!(is_send(by_name(&["a", "bc"])).await["bc"], 2);
    assert_eq!(by_name::key("bc").as_str(), "name:bc");
    assert_eq!(generic(vec![1_u8, 2], |id| u64::from(*id)).await?[&2], 2);
    assert_eq!(of_values::<u64, std::io::Error>(&[1], 2).await?[&1], Some(2));
    assert_eq!(by_key_type(1, vec![2]).await[&2], 1);
    assert_eq!(by_key_type::key(&1, &2).as_str(), "spaced:1:2");
    assert_eq!(by_key_fn(1, vec!["a".to_owned()]).await["a"], 1);
    assert_eq!(by_key_fn::key(&1, "a").as_str(), "computed:1-a");
    assert_eq!(by_path(vec![1]).await[&1], 1);
    assert!(by_path::invalidate(&1).await);
    assert_eq!(local(Rc::new(3), vec![1]).await[&1], 3);
    let repo = Repo {
        tenant: 1,
        cache: CacheManager::in_memory(),
    };
    assert_eq!(is_send(repo.find(&[1, 2])).await[&1], 1);
    assert_eq!(repo.change(1).await, 1);
    assert_eq!(is_send(repo.users(vec![4])).await[&4], 1);
    let gone = 1;
    invalidate!(by_key_type(gone, 2)).await;
    Ok(())
}
