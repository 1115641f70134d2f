//! The status of campaigns on platforms that may be down: `cargo run -p examples --example campaigns`.
//!
//! It starts a platform of its own on a free port, and has it fail on purpose. It caches in memory; with `REDIS_URL` set, in
//! memory and in Redis.

#[path = "../http.rs"]
mod http;
mod platform;
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
    let cache = program::settings(CacheManager::builder()).build().await?;
    program::run(&cache, &mut std::io::stdout()).await?;
    cache.close().await;
    Ok(())
}
