//! Handlers of a web service whose answers are cached: `cargo run -p examples --example responses`.
//!
//! It starts the service on a free port and asks it. It caches in memory; with `REDIS_URL` (or `REDIS_HOST`) set, in memory
//! and in Redis; `CACHE_BACKEND` says which.

#[path = "../http.rs"]
mod http;
mod program;
#[cfg(test)]
#[path = "../../tests/support/redis_server.rs"]
#[expect(dead_code, reason = "this needs little of it")]
mod redis_server;
mod service;
#[cfg(test)]
mod tests;

use cache_core::CacheManager;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let cache = CacheManager::builder().key_prefix("responses").build().await?;
    program::run(&cache, &mut std::io::stdout()).await?;
    cache.close().await;
    Ok(())
}
