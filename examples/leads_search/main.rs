//! Leads and searches of them over a database, by attributes and by hand: `cargo run -p examples --example leads_search`.
//!
//! `leads_api` is the same as a web service. It caches in memory; with `REDIS_URL` set, in memory and in Redis.

mod leads;
mod program;
#[cfg(test)]
#[path = "../../tests/support/redis_server.rs"]
#[expect(dead_code, reason = "this needs little of it")]
mod redis_server;
#[cfg(test)]
mod tests;

use cache_core::CacheManager;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let cache = CacheManager::builder().key_prefix("leads_search").build().await?;
    program::run(&cache, &mut std::io::stdout()).await?;
    cache.close().await;
    Ok(())
}
