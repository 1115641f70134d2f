//! Users by UUID and by number over a database, and sessions: `cargo run -p examples --example typed_caches`.
//!
//! What a cache's keys and values are is said once, and the compiler holds every use to it. It caches in memory; with
//! `REDIS_URL` set, in memory and in Redis.

mod caches;
mod program;
#[cfg(test)]
#[path = "../../tests/support/redis_server.rs"]
#[expect(dead_code, reason = "this needs little of it")]
mod redis_server;
#[cfg(test)]
mod tests;
mod users;

use cache_core::CacheManager;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let cache = CacheManager::builder().key_prefix("typed_caches").build().await?;
    program::run(&cache, &mut std::io::stdout()).await?;
    cache.close().await;
    Ok(())
}
