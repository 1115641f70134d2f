//! Raw keys in memory, and in Redis where there is one: batches, warming, eviction, compression, statistics:
//! `cargo run -p examples --example dual_storage`.
//!
//! It caches in memory; with `REDIS_URL` set, in memory and in Redis. `CACHE_TTL`, `MAX_MEMORY_SIZE` and
//! `COMPRESSION_THRESHOLD` say the rest.

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
    let cache = CacheManager::builder().key_prefix("dual_storage").build().await?;
    program::run(&cache, &mut std::io::stdout()).await?;
    cache.close().await;
    Ok(())
}
