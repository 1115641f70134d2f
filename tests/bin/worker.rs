//! A process of its own for tests about several of them. Orders come in on stdin, one a line, each behind a number; each
//! is answered on stdout by one line behind the same number. `load {key} {run}` says that a load has begun.
//!
//! A load gives the name of its process and the number of its run. It ends when stdin does.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::sync::{LazyLock, Mutex};
use std::time::Duration;

use cache_core::{CacheManager, cache_result, invalidate_cache};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::{Notify, Semaphore};
use tokio::task::{AbortHandle, JoinSet};

static NAME: LazyLock<String> = LazyLock::new(|| std::env::var("WORKER").unwrap_or_default());
static RUNS: AtomicU32 = AtomicU32::new(0);
static HOLD: AtomicBool = AtomicBool::new(false);
static GATE: Semaphore = Semaphore::const_new(0);
static ENTERED: Notify = Notify::const_new();
/// How loads end: `value`, `fail`, `panic`, or `sleep {milliseconds}` and a value.
static END: Mutex<String> = Mutex::new(String::new());

#[derive(Debug, Clone)]
struct Broken(u32);

async fn load(key: &str) -> Result<String, Broken> {
    let run = RUNS.fetch_add(1, SeqCst) + 1;
    // Before anybody hears that it has begun, and lets the next one go.
    let held = HOLD.load(SeqCst);
    println!("load {key} {run}");
    ENTERED.notify_one();
    if held {
        GATE.acquire().await.expect("never closed").forget();
    }
    let end = END.lock().expect("not poisoned").clone();
    match end.split_once(' ').unwrap_or((&end, "")) {
        ("fail", _) => return Err(Broken(run)),
        ("panic", _) => std::panic::resume_unwind(Box::new("the source is broken")),
        ("sleep", time) => tokio::time::sleep(millis(time)).await,
        _ => {}
    }
    Ok(format!("{}{run}", *NAME))
}

#[cache_result(key = "item:{id}", ttl = "1h", skip(again), refresh = again)]
async fn item(id: u64, again: bool) -> Result<String, Broken> {
    load(&format!("item:{id}")).await
}

#[cache_result(key = "early:{id}", ttl = "100ms", stale_while_revalidate = "1h")]
async fn early(id: u64) -> Result<String, Broken> {
    load(&format!("early:{id}")).await
}

#[cache_result(key = "ahead:{id}", ttl = "10s", refresh_ahead = 0.01)]
async fn ahead(id: u64) -> Result<String, Broken> {
    load(&format!("ahead:{id}")).await
}

#[cache_result(key = "batch:{id}", ttl = "1h", each = id in ids)]
async fn batch(ids: Vec<u64>) -> Result<HashMap<u64, String>, Broken> {
    let asked: Vec<String> = ids.iter().map(u64::to_string).collect();
    let value = load(&asked.join(",")).await?;
    Ok(ids.into_iter().map(|id| (id, value.clone())).collect())
}

/// `1,2,3` as `1=a1 2=a1 3=a1`.
async fn many(ids: &str) -> String {
    match batch(ids.split(',').map(number).collect()).await {
        Ok(found) => {
            let mut found: Vec<String> = found.iter().map(|(id, value)| format!("{id}={value}")).collect();
            found.sort();
            found.join(" ")
        }
        Err(Broken(run)) => format!("error {run}"),
    }
}

#[invalidate_cache(item(id))]
async fn change_one(id: u64) {
    let _ = id;
}

#[invalidate_cache(item(..))]
async fn change_all() {}

#[invalidate_cache("item:*")]
async fn change_namespace() {}

type Stuck = Pin<Box<dyn Future<Output = Result<String, Broken>> + Send>>;
static STUCK: tokio::sync::Mutex<Option<Stuck>> = tokio::sync::Mutex::const_new(None);

fn millis(text: &str) -> Duration {
    Duration::from_millis(text.parse().expect("milliseconds"))
}

fn number(text: &str) -> u64 {
    text.trim_start_matches("item:").parse().expect("a number")
}

fn told(result: Result<String, Broken>) -> String {
    result.unwrap_or_else(|Broken(run)| format!("error {run}"))
}

/// `KEY [ttl=MILLISECONDS] [stale=MILLISECONDS] [tag=NAME]`: a load that the manager is asked for.
async fn fetch(cache: &CacheManager, words: &[&str]) -> String {
    let key = words[0].to_owned();
    let mut fetch = cache.get_or_fetch(words[0], || async move { load(&key).await });
    for option in &words[1..] {
        fetch = match option.split_once('=').expect("an option") {
            ("ttl", time) => fetch.ttl(millis(time)),
            ("stale", time) => fetch.stale_if_error(millis(time)),
            (_, tag) => fetch.tags([tag]),
        };
    }
    told(fetch.await)
}

/// Many calls at once; the values that came, each once, and how many calls they came to.
async fn calls(count: usize, id: u64) -> String {
    let mut calls = JoinSet::new();
    for _ in 0..count {
        calls.spawn(item(id, false));
    }
    let mut values: Vec<String> = calls.join_all().await.into_iter().map(told).collect();
    let count = values.len();
    values.sort();
    values.dedup();
    format!("{} to {count}", values.join(" "))
}

async fn obey(order: String) -> String {
    let cache = CacheManager::current();
    let words: Vec<&str> = order.split(' ').collect();
    match words[..] {
        ["hold"] => HOLD.store(true, SeqCst),
        ["go"] => HOLD.store(false, SeqCst),
        ["release"] => GATE.add_permits(1),
        ["end", ..] => *END.lock().expect("not poisoned") = words[1..].join(" "),
        ["call", id] => return told(item(number(id), false).await),
        ["refresh", id] => return told(item(number(id), true).await),
        ["early", id] => return told(early(number(id)).await),
        ["ahead", id] => return told(ahead(number(id)).await),
        ["calls", count, id] => return calls(number(count) as usize, number(id)).await,
        ["batch", ids] => return many(ids).await,
        ["fetch", ..] => return fetch(&cache, &words[1..]).await,
        // Polls a call until its load has begun, and not again until `poll`.
        ["stick", id] => {
            let mut call: Stuck = Box::pin(item(number(id), false));
            tokio::select! {
                biased;
                value = &mut call => return told(value),
                () = ENTERED.notified() => {}
            }
            *STUCK.lock().await = Some(call);
        }
        ["poll"] => return told(STUCK.lock().await.take().expect("a stuck call").await),
        ["get", key] => {
            return cache
                .get::<String>(key)
                .await
                .unwrap_or_else(|| "nothing".to_owned());
        }
        ["set", key, value] => cache.set(key, value).await.expect("stored"),
        // Waits until this process has heard of what happened to a key.
        ["gone", key] => {
            while cache.get::<String>(key).await.is_some() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        ["delete", key] => return cache.delete(key).await.to_string(),
        ["pattern", pattern] => return cache.invalidate(pattern).await.to_string(),
        ["tag", tag] => cache.invalidate_tag(tag).await,
        ["clear"] => cache.clear().await,
        ["one", id] => change_one(number(id)).await,
        ["all"] => change_all().await,
        ["namespace"] => change_namespace().await,
        ["wall"] => {
            let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            return since.expect("after 1970").as_secs().to_string();
        }
        ["runs"] => return RUNS.load(SeqCst).to_string(),
        ["stale"] => return cache.stats().total.stale_served.to_string(),
        ["errors"] => return cache.stats().total.errors.to_string(),
        ["ttl", key] => {
            return cache
                .ttl(key)
                .await
                .map_or(0, |left| left.as_millis())
                .to_string();
        }
        _ => return format!("unknown order `{order}`"),
    }
    "done".to_owned()
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    CacheManager::from_env().await.expect("a cache").install();
    println!("ready");
    let mut running: HashMap<String, AbortHandle> = HashMap::new();
    let mut orders = BufReader::new(tokio::io::stdin()).lines();
    while let Ok(Some(line)) = orders.next_line().await {
        let (number, order) = line.split_once(' ').expect("a number and an order");
        if let Some(dropped) = order.strip_prefix("drop ") {
            running.remove(dropped).expect("an order that runs").abort();
            println!("{number} done");
            continue;
        }
        let task = tokio::spawn(obey(order.to_owned()));
        let number = number.to_owned();
        running.insert(number.clone(), task.abort_handle());
        tokio::spawn(async move {
            let answer = task.await.unwrap_or_else(|error| {
                let end = if error.is_panic() { "panic" } else { "dropped" };
                end.to_owned()
            });
            println!("{number} {answer}");
        });
    }
    // Nothing is waited for: the test is over.
    std::process::exit(0);
}
