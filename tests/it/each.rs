//! Functions that load many elements at once, each under its own key: `each` (contract, sections 2 and 7).

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cache_core::{CacheManager, SharedError, cache_result, catalogue, invalidate_cache};
use tests::{Proxy, RedisServer, shared};
use tokio::sync::{Notify, Semaphore};

use crate::places::{managers, managers_with, over, until_stale};
use crate::worker::Crew;

/// Where values come from: `10 * id`, for ids below a thousand. It keeps a list of what each call asked for.
#[derive(Debug)]
struct Source {
    asked: Mutex<Vec<Vec<u64>>>,
    /// Whether calls wait for `open`.
    held: AtomicBool,
    open: Semaphore,
    entered: Notify,
    fails: AtomicBool,
    panics: AtomicBool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Broken(String);

impl From<SharedError> for Broken {
    fn from(error: SharedError) -> Self {
        Self(error.to_string())
    }
}

impl Source {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            asked: Mutex::default(),
            held: AtomicBool::new(false),
            open: Semaphore::new(0),
            entered: Notify::new(),
            fails: AtomicBool::new(false),
            panics: AtomicBool::new(false),
        })
    }

    fn held() -> Arc<Self> {
        let source = Self::new();
        source.held.store(true, SeqCst);
        source
    }

    async fn values(&self, ids: &[u64]) -> Result<HashMap<u64, u64>, Broken> {
        self.asked.lock().expect("not poisoned").push(ids.to_vec());
        self.entered.notify_one();
        if self.held.load(SeqCst) {
            self.open.acquire().await.expect("never closed").forget();
        }
        if self.panics.load(SeqCst) {
            std::panic::resume_unwind(Box::new("the source is broken"));
        }
        if self.fails.load(SeqCst) {
            return Err(Broken("the source failed".to_owned()));
        }
        Ok(ids
            .iter()
            .filter(|id| **id < 1000)
            .map(|id| (*id, 10 * id))
            .collect())
    }

    /// What was asked for since the last look.
    fn asked(&self) -> Vec<Vec<u64>> {
        std::mem::take(&mut *self.asked.lock().expect("not poisoned"))
    }
}

/// What a map should be.
fn values(ids: impl IntoIterator<Item = u64>) -> HashMap<u64, u64> {
    ids.into_iter().map(|id| (id, 10 * id)).collect()
}

#[cache_result(key = "unit:{id}", each = id in ids, skip(cache, source), manager = cache, tags = ["unit-tag:{id}"])]
async fn units(cache: &CacheManager, source: &Source, ids: Vec<u64>) -> Result<HashMap<u64, u64>, Broken> {
    let _ = cache;
    source.values(&ids).await
}

#[cache_result(
    key = "stale:{id}",
    each = id in ids,
    skip(cache, source),
    manager = cache,
    ttl = "50ms",
    stale_if_error = "1h"
)]
async fn stale_units(
    cache: &CacheManager,
    source: &Source,
    ids: &[u64],
) -> Result<HashMap<u64, u64>, Broken> {
    let _ = cache;
    source.values(ids).await
}

fn spawn(
    cache: &CacheManager,
    source: &Arc<Source>,
    ids: impl IntoIterator<Item = u64>,
) -> tokio::task::JoinHandle<Result<HashMap<u64, u64>, Broken>> {
    let (cache, source, ids) = (cache.clone(), Arc::clone(source), ids.into_iter().collect());
    tokio::spawn(async move { units(&cache, &source, ids).await })
}

/// Lets every task that can go on do so.
async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_body_is_called_with_what_is_missing_once_and_in_the_order_asked() {
    for cache in managers().await {
        let source = Source::new();
        assert_eq!(units(&cache, &source, vec![3, 1, 3]).await, Ok(values([1, 3])));
        assert_eq!(source.asked(), [[3, 1]]);
        let found = units(&cache, &source, vec![5, 1, 4, 3, 4, 2]).await;
        assert_eq!(found, Ok(values(1..=5)));
        assert_eq!(source.asked(), [[5, 4, 2]]);
        assert_eq!(units(&cache, &source, (1..=5).collect()).await, Ok(values(1..=5)));
        assert_eq!(units(&cache, &source, Vec::new()).await, Ok(values([])));
        assert_eq!(source.asked(), [[0; 0]; 0]);
        // Each is an entry like any other.
        assert_eq!(cache.get::<u64>("unit:4").await, Some(40));
        let stats = cache.stats().functions["it::each::units"];
        assert_eq!((stats.misses, stats.loads), (5, 5));
    }
}

#[tokio::test]
async fn what_the_body_does_not_return_is_not_there_and_asked_for_again() {
    for cache in managers().await {
        let source = Source::new();
        for _ in 0..2 {
            assert_eq!(units(&cache, &source, vec![1, 5000]).await, Ok(values([1])));
        }
        assert_eq!(source.asked(), [vec![1, 5000], vec![5000]]);
    }
}

#[cache_result(key = "known:{id}", each = id in ids, skip(cache, source), manager = cache, none_ttl = "1h")]
async fn known_units(cache: &CacheManager, source: &Source, ids: &[u64]) -> HashMap<u64, u64> {
    let _ = cache;
    source.values(ids).await.unwrap_or_default()
}

#[tokio::test]
async fn with_none_ttl_it_is_known_not_to_be_there() {
    for cache in managers().await {
        let source = Source::new();
        for _ in 0..2 {
            assert_eq!(known_units(&cache, &source, &[5000, 1, 5000]).await, values([1]));
        }
        assert_eq!(source.asked(), [[5000, 1]]);
    }
}

#[tokio::test]
async fn s1_two_calls_with_common_elements_load_each_once() {
    for cache in managers().await {
        let source = Source::held();
        let one = spawn(&cache, &source, [1, 2, 3]);
        source.entered.notified().await;
        // In another order, so that the one could wait for the other.
        let two = spawn(&cache, &source, [4, 3, 2, 5]);
        source.entered.notified().await;
        let three = spawn(&cache, &source, [1, 5]);
        settle().await;
        source.open.add_permits(2);
        assert_eq!(two.await.expect("no panic"), Ok(values([2, 3, 4, 5])));
        assert_eq!(one.await.expect("no panic"), Ok(values([1, 2, 3])));
        assert_eq!(three.await.expect("no panic"), Ok(values([1, 5])));
        assert_eq!(source.asked(), [vec![1, 2, 3], vec![4, 5]]);
    }
}

#[tokio::test]
async fn an_error_is_that_of_all_who_wait_and_hits_do_not_help() {
    for cache in managers().await {
        let source = Source::held();
        source.open.add_permits(1);
        assert_eq!(units(&cache, &source, vec![1]).await, Ok(values([1])));
        source.entered.notified().await;
        source.fails.store(true, SeqCst);
        let one = spawn(&cache, &source, [1, 2]);
        source.entered.notified().await;
        let two = spawn(&cache, &source, [2]);
        let three = spawn(&cache, &source, [1]);
        settle().await;
        source.open.add_permits(1);
        let failed = Err(Broken("the source failed".to_owned()));
        assert_eq!(one.await.expect("no panic"), failed);
        assert_eq!(two.await.expect("no panic"), failed);
        assert_eq!(three.await.expect("no panic"), Ok(values([1])));
        assert_eq!(source.asked(), [[1], [2]]);
        // It is not stored, and the next call runs at once (S7).
        source.fails.store(false, SeqCst);
        source.open.add_permits(1);
        assert_eq!(units(&cache, &source, vec![1, 2]).await, Ok(values([1, 2])));
    }
}

#[tokio::test]
async fn t1_stale_values_are_served_for_elements_whose_load_fails() {
    for cache in managers().await {
        let source = Source::new();
        assert_eq!(stale_units(&cache, &source, &[1, 2]).await, Ok(values([1, 2])));
        until_stale(&cache, "stale:1").await;
        until_stale(&cache, "stale:2").await;
        source.fails.store(true, SeqCst);
        source.asked();
        assert_eq!(stale_units(&cache, &source, &[1, 2]).await, Ok(values([1, 2])));
        // The function is left in peace meanwhile.
        assert_eq!(stale_units(&cache, &source, &[2, 1]).await, Ok(values([1, 2])));
        assert_eq!(source.asked(), [[1, 2]]);
        // There is no older value of the third.
        let failed = Err(Broken("the source failed".to_owned()));
        assert_eq!(stale_units(&cache, &source, &[1, 3]).await, failed);
        assert_eq!(source.asked(), [[3]]);
    }
}

async fn invalidate_the_first(cache: &CacheManager, by: &str) {
    match by {
        "key" => drop(cache.delete(units::key(&1)).await),
        "tag" => cache.invalidate_tag("unit-tag:1").await,
        _ => drop(cache.invalidate("unit:1*").await),
    }
}

#[tokio::test]
async fn g1_an_element_that_is_invalidated_during_the_load_is_kept_out() {
    for cache in managers().await {
        let source = Source::held();
        for by in ["key", "tag", "pattern"] {
            let loading = spawn(&cache, &source, [1, 2]);
            source.entered.notified().await;
            invalidate_the_first(&cache, by).await;
            // Who comes now does not join what began before (G2).
            let after = spawn(&cache, &source, [1]);
            source.entered.notified().await;
            source.open.add_permits(2);
            assert_eq!(loading.await.expect("no panic"), Ok(values([1, 2])), "{by}");
            assert_eq!(after.await.expect("no panic"), Ok(values([1])), "{by}");
            assert_eq!(source.asked(), [vec![1, 2], vec![1]], "{by}");
            cache.clear().await;
            let loading = spawn(&cache, &source, [1, 2]);
            source.entered.notified().await;
            invalidate_the_first(&cache, by).await;
            source.open.add_permits(1);
            assert_eq!(loading.await.expect("no panic"), Ok(values([1, 2])), "{by}");
            assert!(!cache.exists("unit:1").await, "{by}");
            assert!(cache.exists("unit:2").await, "{by}");
            cache.clear().await;
            source.asked();
        }
    }
}

#[tokio::test]
async fn s3_when_a_caller_is_dropped_another_loads_what_both_want() {
    for cache in managers().await {
        let source = Source::held();
        let dropped = spawn(&cache, &source, [1, 2, 3]);
        source.entered.notified().await;
        let waiting = spawn(&cache, &source, [2, 3, 4]);
        source.entered.notified().await;
        settle().await;
        dropped.abort();
        assert!(dropped.await.expect_err("dropped").is_cancelled());
        // Nobody waits for the lease, which is ten seconds.
        let entered = tokio::time::timeout(Duration::from_secs(5), source.entered.notified());
        entered.await.expect("at once");
        source.open.add_permits(5);
        assert_eq!(waiting.await.expect("no panic"), Ok(values([2, 3, 4])));
        let asked = source.asked();
        assert_eq!(asked[..2], [vec![1, 2, 3], vec![4]]);
        let mut taken_over: Vec<u64> = asked[2..].concat();
        taken_over.sort_unstable();
        assert_eq!(taken_over, [2, 3]);
        // One who waits cancels nobody.
        source.open.forget_permits(5);
        let loading = spawn(&cache, &source, [7]);
        source.entered.notified().await;
        let waiting = spawn(&cache, &source, [7]);
        settle().await;
        waiting.abort();
        source.open.add_permits(1);
        assert_eq!(loading.await.expect("no panic"), Ok(values([7])));
    }
}

#[tokio::test]
async fn s5_a_panic_reaches_all_who_wait_and_leaves_nothing_behind() {
    for cache in managers().await {
        let source = Source::held();
        source.panics.store(true, SeqCst);
        let one = spawn(&cache, &source, [1, 2]);
        source.entered.notified().await;
        let two = spawn(&cache, &source, [2]);
        settle().await;
        source.open.add_permits(1);
        assert!(one.await.expect_err("a panic").is_panic());
        assert!(two.await.expect_err("a panic").is_panic());
        assert_eq!(source.asked(), [[1, 2]]);
        source.panics.store(false, SeqCst);
        source.open.add_permits(1);
        assert_eq!(units(&cache, &source, vec![1, 2]).await, Ok(values([1, 2])));
    }
}

#[cache_result(key = "picky:{id}", each = id in ids, skip(cache), manager = cache, cache_if = |value| {
    assert!(*value != 20, "refused");
    true
})]
async fn picky_units(cache: &CacheManager, ids: Vec<u64>) -> HashMap<u64, u64> {
    let _ = cache;
    values(ids)
}

#[tokio::test]
async fn s5_so_does_a_panic_in_what_is_asked_of_a_value() {
    let cache = CacheManager::in_memory();
    let of = cache.clone();
    let call = tokio::spawn(async move { picky_units(&of, vec![1, 2]).await });
    assert!(call.await.expect_err("a panic").is_panic());
    assert_eq!(picky_units(&cache, vec![1]).await, values([1]));
}

#[cache_result(key = "loop:{id}", each = id in ids, skip(cache, depth), manager = cache)]
async fn looping(cache: &CacheManager, ids: Vec<u64>, depth: u64) -> HashMap<u64, u64> {
    if depth < 3 {
        let _ = Box::pin(looping(cache, ids.clone(), depth + 1)).await;
    }
    values(ids)
}

#[tokio::test]
async fn s6_a_body_that_calls_its_own_function_does_not_wait_for_itself() {
    for cache in managers().await {
        let call = tokio::time::timeout(Duration::from_secs(5), looping(&cache, vec![1, 2], 0));
        assert_eq!(call.await, Ok(values([1, 2])));
    }
}

#[cache_result(
    key = "tenant:{tenant}:{id:lower}",
    each = id in ids,
    skip(source),
    tags = ["of:{tenant}:{id}"],
    bypass = ids.len() > 3,
    refresh = tenant == "fresh",
    cache_if = |value: &String| !value.is_empty(),
    ttl_from = |value: &String| Duration::from_secs(value.len() as u64 * 100),
    jitter = 0.0001,
    version = 2,
    tier = "memory",
)]
async fn names(
    source: Arc<Source>,
    tenant: &str,
    mut ids: Vec<String>,
) -> Result<HashMap<String, Arc<String>>, Broken> {
    ids.sort();
    source
        .asked
        .lock()
        .expect("not poisoned")
        .push(ids.iter().map(|id| id.len() as u64).collect());
    let name = |id: &String| {
        let name = if id == "empty" {
            String::new()
        } else {
            format!("{tenant} {id}")
        };
        (id.clone(), Arc::new(name))
    };
    Ok(ids.iter().map(name).collect())
}

#[tokio::test]
async fn options_hold_for_each_element() {
    let cache = CacheManager::in_memory();
    let source = Source::new();
    let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
    cache
        .scope(async {
            let call = |tenant: &'static str, of: &[&str]| names(Arc::clone(&source), tenant, ids(of));
            let found = call("t", &["b", "empty", "aa"]).await.expect("no failure");
            let found: BTreeMap<_, _> = found
                .iter()
                .map(|(id, name)| (id.as_str(), name.as_str()))
                .collect();
            assert_eq!(
                found,
                BTreeMap::from([("aa", "t aa"), ("b", "t b"), ("empty", "")])
            );
            assert_eq!(source.asked(), [[2, 1, 5]]);
            // What `cache_if` refuses is loaded again; another tenant has entries of its own.
            call("t", &["b", "empty"]).await.expect("no failure");
            call("u", &["b"]).await.expect("no failure");
            assert_eq!(source.asked(), [[5], [1]]);
            // `bypass` and `refresh` are about a call.
            call("t", &["aa", "b", "c", "d"]).await.expect("no failure");
            call("fresh", &["b"]).await.expect("no failure");
            call("fresh", &["b"]).await.expect("no failure");
            assert_eq!(source.asked(), [vec![2, 1, 1, 1], vec![1], vec![1]]);
            assert!(!cache.exists("tenant:t:c").await);
            let left = cache.ttl("tenant:t:b").await.expect("an entry").as_secs_f64();
            assert!((298.0..=300.0).contains(&left), "{left}");
            // The tag has the element as it is, the key in lower case: both elements are one entry.
            call("t", &["B"]).await.expect("no failure");
            assert_eq!(source.asked(), [[0; 0]; 0]);
            cache.invalidate_tag("of:t:b").await;
            call("t", &["B", "b"]).await.expect("no failure");
            assert_eq!(source.asked().concat(), [1]);
        })
        .await;
}

#[invalidate_cache(plain(id))]
async fn change(id: u64) {
    let _ = id;
}

#[invalidate_cache(plain(..))]
async fn change_all() {}

#[cache_result(key = "plain:{id}", each = id in ids)]
async fn plain(ids: &[u64]) -> HashMap<u64, String> {
    ids.iter().map(|id| (*id, format!("value {id}"))).collect()
}

#[tokio::test]
async fn handles_are_about_one_element_and_calls_about_all() {
    for cache in managers().await {
        let call = async {
            assert_eq!(plain::key(&7).as_str(), "plain:7");
            assert_eq!(plain::peek(&7).await, None);
            plain(&[7, 8]).await;
            assert_eq!(plain::peek(&7).await.as_deref(), Some("value 7"));
            plain::put(&7, "another".to_owned()).await;
            assert_eq!(plain(&[7, 8]).await[&7], "another");
            assert_eq!(plain::uncached(&[7]).await[&7], "value 7");
            assert_eq!(plain(&[7]).await[&7], "another");
            assert!(plain::invalidate(&7).await);
            assert_eq!(plain(&[7]).await[&7], "value 7");
            plain::put(&7, "another".to_owned()).await;
            plain::put(&8, "another".to_owned()).await;
            assert_eq!(plain::refresh(&[7, 9]).await[&7], "value 7");
            assert_eq!(plain::peek(&7).await.as_deref(), Some("value 7"));
            assert_eq!(plain::peek(&9).await.as_deref(), Some("value 9"));
            change(8).await;
            assert_eq!(plain::peek(&8).await, None);
            change_all().await;
            assert_eq!(plain::peek(&9).await, None);
            plain(&[9]).await;
            plain::invalidate_all().await;
            assert_eq!(plain::peek(&9).await, None);
        };
        cache.scope(call).await;
    }
}

#[test]
fn the_catalogue_shows_it() {
    assert_eq!(plain::INFO.each(), Some("id in ids"));
    assert_eq!(plain::INFO.value(), "String");
    assert_eq!(names::INFO.value(), "String");
    let table = catalogue().to_string();
    let row = table.lines().find(|row| row.contains("it::each::plain"));
    assert!(row.expect("a row").contains("each = id in ids"), "{row:?}");
}

struct Repo {
    tenant: u64,
    source: Arc<Source>,
}

impl Repo {
    #[cache_result(key = "repo:{self.tenant}:{id}", each = id in ids)]
    async fn find(&self, ids: Vec<u64>) -> Result<HashMap<u64, u64>, Broken> {
        self.source.values(&ids).await
    }

    #[invalidate_cache(self.find(id))]
    async fn change(&self, id: u64) {
        let _ = id;
    }
}

#[tokio::test]
async fn methods_have_it_too() {
    let cache = CacheManager::in_memory();
    let call = async {
        let repo = Repo {
            tenant: 1,
            source: Source::new(),
        };
        let found = repo.find(vec![1, 2]).await;
        assert_eq!(found, Ok(values([1, 2])));
        repo.change(1).await;
        assert_eq!(repo.find(vec![1, 2]).await, found);
        assert_eq!(repo.source.asked(), [vec![1, 2], vec![1]]);
        assert_eq!(cache_core::entry!(repo.find(2)).peek().await, Some(20));
        cache_core::refresh(repo.find(vec![2])).await.expect("no failure");
        assert_eq!(repo.source.asked(), [[2]]);
    };
    cache.scope(call).await;
}

#[tokio::test]
async fn an_error_that_cannot_be_shared_sends_each_caller_to_a_run_of_its_own() {
    #[derive(Debug)]
    struct Own;

    #[cache_result(key = "own:{id}", each = id in ids, skip(cache, source), manager = cache)]
    async fn own(cache: &CacheManager, source: &Source, ids: Vec<u64>) -> Result<HashMap<u64, u64>, Own> {
        let _ = cache;
        source.values(&ids).await.map_err(|_| Own)
    }

    for cache in managers().await {
        let source = Source::held();
        source.fails.store(true, SeqCst);
        let call = |ids: Vec<u64>| {
            let (cache, source) = (cache.clone(), Arc::clone(&source));
            tokio::spawn(async move { own(&cache, &source, ids).await.is_err() })
        };
        let one = call(vec![1, 2, 3]);
        source.entered.notified().await;
        let two = call(vec![3, 2]);
        settle().await;
        source.open.add_permits(2);
        assert!(one.await.expect("no panic"));
        assert!(two.await.expect("no panic"));
        assert_eq!(source.asked(), [vec![1, 2, 3], vec![3, 2]]);
    }
}

#[tokio::test]
async fn a_batch_of_any_size_is_one_run() {
    for cache in managers_with(|builder| builder.indexing_batch_size(100)).await {
        let source = Source::new();
        let ids: Vec<u64> = (0..950).collect();
        assert_eq!(units(&cache, &source, ids.clone()).await, Ok(values(0..950)));
        assert_eq!(source.asked(), std::slice::from_ref(&ids));
        assert_eq!(units(&cache, &source, ids).await, Ok(values(0..950)));
        assert_eq!(source.asked(), [[0; 0]; 0]);
    }
}

#[tokio::test]
async fn a_load_that_takes_longer_than_the_lease_keeps_its_elements() {
    let settings = |builder: cache_core::CacheManagerBuilder| builder.lease(Duration::from_millis(300));
    for cache in managers_with(settings).await {
        let source = Source::held();
        let one = spawn(&cache, &source, [1, 2]);
        source.entered.notified().await;
        let two = spawn(&cache, &source, [2, 1]);
        tokio::time::sleep(Duration::from_millis(900)).await;
        source.open.add_permits(1);
        assert_eq!(one.await.expect("no panic"), Ok(values([1, 2])));
        assert_eq!(two.await.expect("no panic"), Ok(values([1, 2])));
        assert_eq!(source.asked(), [[1, 2]]);
        assert_eq!(units(&cache, &source, vec![1, 2]).await, Ok(values([1, 2])));
        assert_eq!(source.asked(), [[0; 0]; 0]);
    }
}

#[test]
fn s2_processes_that_share_elements_load_each_once() {
    let crew = Crew::of(shared(), &[]);
    let [a, b] = crew.workers(["a", "b"]);
    for worker in [&a, &b] {
        worker.ask("hold");
    }
    let one = a.say("batch 1,2,3");
    a.until("load 1,2,3");
    let two = b.say("batch 5,3,2,4");
    b.until("load 5,4");
    crew.until_awaited("batch:2");
    b.ask("release");
    a.ask("release");
    assert_eq!(one.answer(), "1=a1 2=a1 3=a1");
    assert_eq!(two.answer(), "2=a1 3=a1 4=b1 5=b1");
    assert_eq!((a.runs(), b.runs()), (1, 1));
}

#[test]
fn s2_when_the_process_that_loads_dies_another_loads_what_it_lacks() {
    let crew = Crew::of(shared(), &[("CACHE_LEASE", "1")]);
    let [a, b] = crew.workers(["a", "b"]);
    a.ask("hold");
    let _ = a.say("batch 1,2");
    a.until("load 1,2");
    let two = b.say("batch 2,3");
    b.until("load 3");
    crew.until_awaited("batch:2");
    a.kill();
    assert_eq!(two.answer(), "2=b2 3=b1");
}

/// The names of commands, with the number of each.
fn counted(commands: &[String], prefix: &str) -> BTreeMap<String, usize> {
    let mut counted = BTreeMap::new();
    for command in commands.iter().filter(|command| command.contains(prefix)) {
        let name = command.split('"').nth(1).unwrap_or_default();
        *counted.entry(name.to_owned()).or_default() += 1;
    }
    counted
}

#[tokio::test]
async fn a_hundred_hits_in_redis_are_one_command() {
    let server = RedisServer::start();
    let source = Source::new();
    let (one, two) = (over(&server).await, over(&server).await);
    let ids: Vec<u64> = (0..100).collect();
    assert_eq!(plain_units(&one, &source, &ids).await, Ok(values(0..100)));
    // The first reader of a namespace asks for its nonces.
    plain_units(&two, &source, &[200]).await.expect("no failure");
    source.asked();
    let monitor = server.monitor();
    assert_eq!(plain_units(&two, &source, &ids).await, Ok(values(0..100)));
    assert_eq!(source.asked(), [[0; 0]; 0]);
    let commands = counted(&monitor.commands(), "app:plain-unit:");
    assert_eq!(commands, BTreeMap::from([("MGET".to_owned(), 1)]));
}

#[cache_result(key = "plain-unit:{id}", each = id in ids, skip(cache, source), manager = cache)]
async fn plain_units(
    cache: &CacheManager,
    source: &Source,
    ids: &[u64],
) -> Result<HashMap<u64, u64>, Broken> {
    let _ = cache;
    source.values(ids).await
}

#[tokio::test]
async fn a_hundred_misses_take_as_many_round_trips_as_one() {
    let server = RedisServer::start();
    let source = Source::new();
    let proxy = Proxy::to(server.port());
    let cache = CacheManager::builder()
        .redis_url(format!("redis://127.0.0.1:{}/", proxy.port()))
        .op_budget(Duration::from_secs(60))
        .build()
        .await
        .expect("a cache");
    // The scripts and the nonces are known from here on.
    plain_units(&cache, &source, &[300]).await.expect("no failure");
    proxy.slow(Duration::from_millis(50));
    let began = std::time::Instant::now();
    let ids: Vec<u64> = (100..200).collect();
    plain_units(&cache, &source, &ids).await.expect("no failure");
    // One to look, one to claim, one to store, in pieces; a hundred claims one after the other would take ten seconds.
    let took = began.elapsed();
    assert!(took < Duration::from_secs(3), "{took:?}");
    proxy.heal();
    assert_eq!(cache.get::<u64>("plain-unit:150").await, Some(1500));
}
