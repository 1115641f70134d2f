//! A slow function, annotated, and what becomes of it: `cargo run -p examples --example quickstart`.
//!
//! It caches in memory. With `REDIS_URL` set the same code caches in memory and in Redis.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cache_core::{CacheManager, cache_lead_data, cache_result, invalidate_cache};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::sleep;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Lead {
    id: u64,
    name: String,
}

/// The function to be cached. Its key is `lead:{lead_id}`; `db` is said not to be a part of it.
#[cache_lead_data(skip(db))]
async fn get_lead(db: &Db, lead_id: u64) -> Result<Option<Lead>, DbError> {
    db.find(lead_id).await
}

/// Once this has succeeded, the lead is no longer in the cache.
#[invalidate_cache(get_lead(lead_id))]
async fn rename_lead(db: &Db, lead_id: u64, name: &str) -> Result<(), DbError> {
    db.rename(lead_id, name).await
}

/// Each element has an entry of its own; the function is called with those that are missing.
#[cache_result(key = "name:{id}", each = id in ids, skip(db))]
async fn names(db: &Db, ids: &[u64]) -> Result<HashMap<u64, String>, DbError> {
    db.names(ids).await
}

/// Any function can have a key and a TTL of its own.
#[cache_result(key = "rate:{currency}", ttl = "300ms", skip(db))]
async fn exchange_rate(db: &Db, currency: &str) -> Result<f64, DbError> {
    db.rate(currency).await
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // Without these lines the functions would use a cache made from the environment at their first call. This program
    // wants a prefix of its own in Redis, and nothing under it that an earlier run has left.
    let cache = CacheManager::builder().key_prefix("quickstart").build().await?;
    cache.clear().await;
    cache.install();
    println!("The cache is {}.", place(&cache).await);

    let db = Arc::new(Db::default());

    println!("\nThe first call runs the function, the second one finds its result:");
    show(&db, "get_lead(42)", get_lead(&db, 42)).await;
    show(&db, "get_lead(42)", get_lead(&db, 42)).await;

    println!("\nAnother argument is another entry:");
    show(&db, "get_lead(43)", get_lead(&db, 43)).await;

    println!("\nAn update invalidates the entry, so that the next call sees the new name:");
    show(&db, "rename_lead(42, \"Grace\")", rename_lead(&db, 42, "Grace")).await;
    show(&db, "get_lead(42)", get_lead(&db, 42)).await;
    show(&db, "get_lead(42)", get_lead(&db, 42)).await;

    println!("\nA thousand callers of one lead that is not cached share one run, and all of them get it:");
    show(&db, "1000 x get_lead(7)", many_callers(&db, 7)).await;

    println!("\nOf many at once, the database is asked for those that are missing, here 3 and 4:");
    show(&db, "names(&[1, 2])", names(&db, &[1, 2])).await;
    show(&db, "names(&[1, 2, 3, 4])", names(&db, &[1, 2, 3, 4])).await;

    println!("\nAn entry is fresh for its TTL, here 300 ms:");
    show(&db, "exchange_rate(\"EUR\")", exchange_rate(&db, "EUR")).await;
    show(&db, "exchange_rate(\"EUR\")", exchange_rate(&db, "EUR")).await;
    sleep(Duration::from_millis(350)).await;
    show(&db, "350 ms later", exchange_rate(&db, "EUR")).await;

    println!("\nNeither `None` nor an error is stored, so both are tried again:");
    show(&db, "get_lead(404)", get_lead(&db, 404)).await;
    show(&db, "get_lead(404)", get_lead(&db, 404)).await;
    show(&db, "exchange_rate(\"XXX\")", exchange_rate(&db, "XXX")).await;
    show(&db, "exchange_rate(\"XXX\")", exchange_rate(&db, "XXX")).await;

    println!("\nAll of it was counted:\n\n{}", CacheManager::current().stats());
    cache.clear().await;
    cache.close().await;
    Ok(())
}

/// Awaits a call, and prints what it gave, how long it took, and how often it went to the database.
async fn show<T: fmt::Debug>(db: &Db, call: &str, result: impl Future<Output = Result<T, DbError>>) {
    let (queries, start) = (db.queries(), Instant::now());
    let result = result.await;
    let (queries, took) = (db.queries() - queries, start.elapsed());
    let outcome = match result {
        Ok(value) => format!("{value:?}"),
        Err(error) => format!("error: {error}"),
    };
    let took = format!("{took:.1?}");
    println!("  {call:24} {took:>9}  database calls: {queries}  {outcome}");
}

/// Calls `get_lead` from a thousand tasks at once. Gives how many of them got the lead.
async fn many_callers(db: &Arc<Db>, lead_id: u64) -> Result<usize, DbError> {
    let mut callers = JoinSet::new();
    for _ in 0..1000 {
        let db = Arc::clone(db);
        callers.spawn(async move { get_lead(&db, lead_id).await });
    }
    let leads: Result<Vec<_>, _> = callers.join_all().await.into_iter().collect();
    Ok(leads?.into_iter().flatten().count())
}

async fn place(cache: &CacheManager) -> &'static str {
    match cache.health().await.redis {
        None => "in memory; set REDIS_URL to run the same code on memory and Redis",
        Some(redis) if redis.connected => "in memory and in Redis",
        Some(_) => "in memory, and in Redis as soon as it can be reached",
    }
}

/// Stands for a database that takes 100 ms for everything.
#[derive(Default)]
struct Db {
    queries: AtomicU64,
    new_name: Mutex<Option<(u64, String)>>,
}

/// Cloneable, so that all callers who share a run can be given its error.
#[derive(Debug, Clone)]
struct DbError(&'static str);

impl fmt::Display for DbError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for DbError {}

impl Db {
    fn queries(&self) -> u64 {
        self.queries.load(Ordering::Relaxed)
    }

    async fn work(&self) {
        self.queries.fetch_add(1, Ordering::Relaxed);
        sleep(Duration::from_millis(100)).await;
    }

    async fn find(&self, id: u64) -> Result<Option<Lead>, DbError> {
        self.work().await;
        let name = match &*self.new_name.lock().await {
            Some((renamed, name)) if *renamed == id => name.clone(),
            _ => "Ada".to_owned(),
        };
        Ok((id < 100).then_some(Lead { id, name }))
    }

    async fn names(&self, ids: &[u64]) -> Result<HashMap<u64, String>, DbError> {
        self.work().await;
        Ok(ids.iter().map(|id| (*id, format!("Ada {id}"))).collect())
    }

    async fn rename(&self, id: u64, name: &str) -> Result<(), DbError> {
        self.work().await;
        *self.new_name.lock().await = Some((id, name.to_owned()));
        Ok(())
    }

    async fn rate(&self, currency: &str) -> Result<f64, DbError> {
        self.work().await;
        match currency {
            "EUR" => Ok(1.08),
            _ => Err(DbError("no such currency")),
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn its_functions_fit_together() {
        cache_core::catalogue().assert_sound();
    }
}
