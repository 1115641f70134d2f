//! `invalidate!` and `key!` in bodies, and what `#[cache_impl]` makes of the functions of a block.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use cache_core::{CacheManager, cache_impl, cache_result, entry, invalidate, invalidate_cache, key};

#[derive(Debug, Default)]
struct Db(AtomicU32);

impl Db {
    fn run(&self) -> u32 {
        self.0.fetch_add(1, Relaxed) + 1
    }
}

#[cache_result(key = "lead:{id}", skip(db, city), tags = ["city:{city}"])]
async fn get_lead(db: &Db, id: u64, city: &str) -> u32 {
    let _ = (id, city);
    db.run()
}

#[cache_result(key = "note:{lead}:{text}", skip(db))]
async fn note(db: &Db, lead: u64, text: &str) -> u32 {
    let _ = (lead, text);
    db.run()
}

async fn on_memory<F: Future>(test: F) -> F::Output {
    CacheManager::in_memory().scope(test).await
}

#[tokio::test]
async fn invalidate_drops_what_its_targets_name_and_nothing_else() {
    on_memory(async {
        let db = Db::default();
        for id in 1..4 {
            get_lead(&db, id, "Bonn").await;
        }
        let id = 1;
        invalidate!(get_lead(id)).await;
        assert_eq!(get_lead::peek(&1).await, None);
        assert!(get_lead::peek(&2).await.is_some());
        let city = "Bonn";
        invalidate!(tags = ["city:{city}"]).await;
        assert_eq!(get_lead::peek(&2).await, None);
    })
    .await;
}

#[tokio::test]
async fn k4_a_local_variable_cannot_widen_a_pattern_of_invalidate() {
    on_memory(async {
        let db = Db::default();
        note(&db, 1, "*").await;
        note(&db, 1, "a").await;
        let text = "*";
        invalidate!("note:1:{text}").await;
        assert_eq!(note::peek(&1, "*").await, None);
        assert!(note::peek(&1, "a").await.is_some());
        let lead = 1;
        invalidate!("note:{lead}:*").await;
        assert_eq!(note::peek(&1, "a").await, None);
    })
    .await;
}

#[tokio::test]
async fn invalidate_drops_nothing_before_it_is_awaited() {
    on_memory(async {
        let db = Db::default();
        note(&db, 1, "a").await;
        let later = invalidate!(note(..));
        assert!(note::peek(&1, "a").await.is_some());
        later.await;
        assert_eq!(note::peek(&1, "a").await, None);
    })
    .await;
}

#[tokio::test]
async fn invalidate_is_counted_and_uses_the_manager_that_it_names() {
    let (named, other) = (CacheManager::in_memory(), CacheManager::in_memory());
    let db = Db::default();
    named.scope(note(&db, 1, "a")).await;
    other.scope(note(&db, 1, "a")).await;
    invalidate!(note(1, "a"), manager = &named).await;
    assert_eq!(named.scope(note::peek(&1, "a")).await, None);
    assert!(other.scope(note::peek(&1, "a")).await.is_some());
    assert_eq!(named.stats().total.invalidations, 1);
}

#[tokio::test]
async fn k3_key_escapes_what_a_template_of_an_attribute_escapes() {
    on_memory(async {
        let (lead, text) = (1, "a:*");
        assert_eq!(key!("note:{lead}:{text}"), note::key(&1, text));
        assert_eq!(key!("note:{lead}:{text}").as_str(), "note:1:a%3A%2A");
        let cache = CacheManager::current();
        cache.set(key!("note:{lead}:{text}"), &7_u32).await.unwrap();
        let read: Option<u32> = cache.get(&key!("note:{lead}:{text}")).await;
        assert_eq!(read, Some(7));
    })
    .await;
}

#[async_trait::async_trait]
trait Store: Send + Sync {
    async fn load(&self, id: u64) -> Result<u32, String>;
    async fn save(&self, id: u64) -> Result<u64, String>;
}

struct Above {
    tenant: u8,
    db: Db,
}

#[async_trait::async_trait]
#[cache_impl]
impl Store for Above {
    #[cache_result(key = "above:{self.tenant}:{id}")]
    async fn load(&self, id: u64) -> Result<u32, String> {
        let _ = id;
        Ok(self.db.run())
    }

    #[invalidate_cache(self.load(result))]
    async fn save(&self, id: u64) -> Result<u64, String> {
        if id == 0 { Err("none".to_owned()) } else { Ok(id) }
    }
}

#[derive(Default)]
struct Below {
    db: Db,
}

#[cache_impl]
#[async_trait::async_trait]
impl Store for Below {
    #[cache_result(skip(self))]
    async fn load(&self, id: u64) -> Result<u32, String> {
        let _ = id;
        Ok(self.db.run())
    }

    #[invalidate_cache(Self::load(id))]
    async fn save(&self, id: u64) -> Result<u64, String> {
        Ok(id)
    }
}

async fn loads_once_until_it_is_saved(store: &dyn Store) {
    on_memory(async {
        assert_eq!(store.load(1).await, Ok(1));
        assert_eq!(store.load(1).await, Ok(1));
        assert_eq!(store.load(2).await, Ok(2));
        store.save(1).await.unwrap();
        assert_eq!(store.load(1).await, Ok(3));
        assert_eq!(store.load(2).await, Ok(2));
    })
    .await;
}

#[tokio::test]
async fn methods_of_a_trait_are_cached_below_async_trait() {
    loads_once_until_it_is_saved(&Above {
        tenant: 1,
        db: Db::default(),
    })
    .await;
}

#[tokio::test]
async fn methods_of_a_trait_are_cached_above_async_trait() {
    loads_once_until_it_is_saved(&Below::default()).await;
}

#[tokio::test]
async fn a_boxed_future_looks_for_its_entry_in_the_scope_that_polls_it() {
    let (one, other) = (CacheManager::in_memory(), CacheManager::in_memory());
    let store = Above {
        tenant: 1,
        db: Db::default(),
    };
    one.scope(async {
        let call = store.load(1);
        assert_eq!(other.scope(call).await, Ok(1));
        assert_eq!(entry!(store.load(1)).peek().await, None);
    })
    .await;
    assert!(
        other
            .scope(async { entry!(store.load(1)).peek().await })
            .await
            .is_some()
    );
}

struct Repo;

static FOUND: AtomicU32 = AtomicU32::new(0);

#[cache_impl]
impl Repo {
    #[cache_result]
    async fn find(name: &str) -> Option<u32> {
        let _ = name;
        Some(FOUND.fetch_add(1, Relaxed))
    }

    #[invalidate_cache(Self::find(name))]
    async fn forget(name: &str) -> usize {
        name.len()
    }
}

#[tokio::test]
async fn functions_of_a_type_are_cached_under_its_path() {
    on_memory(async {
        assert_eq!(entry!(Repo::find("a")).key().as_str(), "it.bodies.Repo.find:a");
        let first = Repo::find("a").await;
        assert_eq!(Repo::find("a").await, first);
        Repo::forget("a").await;
        assert_ne!(Repo::find("a").await, first);
        invalidate!(Repo::find(..)).await;
        assert_eq!(entry!(Repo::find("a")).peek().await, None);
    })
    .await;
}

trait Table: Send {
    const NAME: &'static str;
}

struct Users;
struct Orders;

impl Table for Users {
    const NAME: &'static str = "users";
}

impl Table for Orders {
    const NAME: &'static str = "orders";
}

#[cache_result(key = "row:{T}:{N}:{id}")]
async fn row<T: Table, const N: usize>(id: u64) -> String {
    format!("{} {N} {id}", T::NAME)
}

#[tokio::test]
async fn c17_types_and_constants_in_a_key_tell_calls_apart() {
    on_memory(async {
        assert_eq!(row::<Users, 1>(1).await, "users 1 1");
        assert_eq!(row::<Orders, 1>(1).await, "orders 1 1");
        assert_eq!(row::<Users, 2>(1).await, "users 2 1");
        assert_ne!(row::key::<Users, 1>(&1), row::key::<Orders, 1>(&1));
        invalidate!(row::<Users, 1>(1)).await;
        assert_eq!(row::peek::<Users, 1>(&1).await, None);
        assert!(row::peek::<Users, 2>(&1).await.is_some());
    })
    .await;
}
