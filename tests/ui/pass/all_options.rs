#![deny(warnings)]

use std::time::Duration;

use cache_core::{CacheManager, cache_result, cache_search_results, invalidate_cache};
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize)]
struct Lead {
    id: u64,
    fresh: bool,
}

impl Lead {
    fn lifetime(&self) -> Duration {
        Duration::from_secs(self.id)
    }
}

struct App {
    cache: CacheManager,
}

#[cache_result(
    key = "lead:{id}:{language:lower}:{note:hash}",
    skip(app, force),
    none_ttl = 30,
    cache_if = |lead| lead.fresh,
    ttl_from = Lead::lifetime,
    bypass = id > 1_000 && !force,
    refresh = force,
    tier = "both",
    manager = app.cache,
    version = 3,
    crate = "::cache_core",
)]
async fn lead(app: &App, id: u64, language: &str, note: String, force: bool) -> Result<Option<Lead>, std::io::Error> {
    let _ = (&app.cache, language, note, force);
    Ok(Some(Lead { id, fresh: true }))
}

#[cache_search_results(
    skip(cache),
    popular = text,
    cache_if = |found: &Vec<u64>| !found.is_empty(),
    ttl_from = |found: &Vec<u64>| Duration::from_secs(found.len() as u64),
    tier = redis,
    manager = cache
)]
async fn search(cache: &CacheManager, text: String, page: u8) -> Result<Vec<u64>, std::io::Error> {
    let _ = cache;
    Ok(vec![text.len() as u64 + u64::from(page)])
}

/// Without serde: the value never leaves this process.
#[derive(Clone)]
struct Local(#[allow(dead_code)] fn(u64) -> u64);

#[cache_result(key = "local:{id}", tier = "memory", ttl = 5)]
async fn local(id: u64) -> Local {
    let _ = id;
    Local(|x| x)
}

#[invalidate_cache(
    lead(id, "de", "note"),
    search(..),
    "campaign:{id}:[a-c]*",
    "user with space:{id}",
    tags = ["city:{id}", "result:{result}"],
    manager = app.cache,
    crate = "cache_core"
)]
async fn update(app: &App, id: u64) -> Result<u64, std::io::Error> {
    let _ = &app.cache;
    Ok(id)
}

fn main() {
    assert!(lead::key(&7, "DE", "x").as_str().starts_with("lead:7:de:"));
    let app = App { cache: CacheManager::in_memory() };
    drop((lead(&app, 1, "de", String::new(), false), search(&app.cache, String::new(), 1), local(1), update(&app, 1)));
}
