//! `cached`: in memory with a lock for each key, and on Redis, where it has none to offer.

use cached::macros::{cached, concurrent_cached};
use cached::{AsyncRedisCache, Cached};

use super::source::{Cloneable, Unique, source};
use super::{Library, REDIS};

#[cached(sync_writes = "by_key")]
async fn read(id: u64) -> u64 {
    source(id).load().await
}

#[cached(sync_writes = "by_key")]
async fn fail_cloneable(id: u64) -> Result<u64, Cloneable> {
    source(id).fail(Cloneable).await
}

#[cached(sync_writes = "by_key")]
async fn fail_unique(id: u64) -> Result<u64, Unique> {
    source(id).fail(Unique).await
}

#[concurrent_cached(
    ty = "AsyncRedisCache<u64, u64>",
    create = {
        AsyncRedisCache::builder("races")
            .ttl_secs(3600)
            .connection_string(REDIS.get().expect("a process with Redis"))
            .build()
            .await
            .expect("the server is there")
    },
    map_error = |error| error.to_string()
)]
async fn shared(id: u64) -> Result<u64, String> {
    Ok(source(id).load().await)
}

pub struct ByKey;

impl Library for ByKey {
    const NAME: &'static str = "cached";
    const USE: &'static str = "`#[cached(sync_writes = \"by_key\")]`; `#[concurrent_cached]` on Redis";

    async fn read(id: u64) -> u64 {
        read(id).await
    }

    async fn change(id: u64) {
        source(id).change();
        let _ = READ.write().await.cache_remove(&id);
    }

    async fn fail_cloneable(id: u64) {
        fail_cloneable(id).await.expect_err("the loader fails");
    }

    async fn fail_unique(id: u64) {
        fail_unique(id).await.expect_err("the loader fails");
    }

    async fn shared(id: u64) -> u64 {
        shared(id).await.expect("the server answers")
    }
}
