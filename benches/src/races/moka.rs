//! `moka` by hand, which has no annotation: `get_with` and `try_get_with`, and around Redis a `GET` and a `SET` in the
//! future that it is given. This is what its users write.

use std::sync::{Arc, LazyLock};

use moka::future::Cache;
use redis::AsyncCommands;
use redis::aio::MultiplexedConnection;
use tokio::sync::OnceCell;

use super::source::{Cloneable, Unique, source};
use super::{Library, REDIS};
use crate::data::CAPACITY;

type Memory = LazyLock<Cache<u64, u64>>;

static READ: Memory = LazyLock::new(|| Cache::new(CAPACITY as u64));
static FAIL: Memory = LazyLock::new(|| Cache::new(CAPACITY as u64));
static SHARED: Memory = LazyLock::new(|| Cache::new(CAPACITY as u64));

async fn fail_cloneable(id: u64) -> Result<u64, Arc<Cloneable>> {
    FAIL.try_get_with(id, async { source(id).fail(Cloneable).await })
        .await
}

async fn fail_unique(id: u64) -> Result<u64, Arc<Unique>> {
    FAIL.try_get_with(id, async { source(id).fail(Unique).await })
        .await
}

async fn shared(id: u64) -> redis::RedisResult<u64> {
    let key = format!("moka:{id}");
    let mut redis = connection().await;
    if let Some(found) = redis.get(&key).await? {
        return Ok(found);
    }
    let loaded = source(id).load().await;
    let () = redis.set_ex(&key, loaded, 3_600).await?;
    Ok(loaded)
}

async fn connection() -> MultiplexedConnection {
    static CONNECTION: OnceCell<MultiplexedConnection> = OnceCell::const_new();
    let connect = || async {
        let url = REDIS.get().expect("a process with Redis").as_str();
        let client = redis::Client::open(url).expect("the address is right");
        let connection = client.get_multiplexed_async_connection();
        connection.await.expect("the server is there")
    };
    CONNECTION.get_or_init(connect).await.clone()
}

pub struct ByHand;

impl Library for ByHand {
    const NAME: &'static str = "moka by hand";
    const USE: &'static str =
        "`get_with`; `try_get_with` for what may fail, whose error is an `Arc<E>`; `GET`, `SET` within";

    async fn read(id: u64) -> u64 {
        READ.get_with(id, async { source(id).load().await }).await
    }

    async fn change(id: u64) {
        source(id).change();
        READ.invalidate(&id).await;
    }

    async fn fail_cloneable(id: u64) {
        fail_cloneable(id).await.expect_err("the loader fails");
    }

    async fn fail_unique(id: u64) {
        fail_unique(id).await.expect_err("the loader fails");
    }

    async fn shared(id: u64) -> u64 {
        let loaded = SHARED.try_get_with(id, shared(id)).await;
        loaded.expect("the server answers")
    }
}
