//! What is shown: single values, batches from a database, warming, who is evicted by each policy, what compression saves, and
//! what was counted.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

use cache_core::{BackendMode, CacheManager, EvictionPolicy, HealthStatus};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};

/// One tile of a dashboard.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Tile {
    title: String,
    rows: Vec<u64>,
}

pub async fn run(cache: &CacheManager, out: &mut impl Write) -> anyhow::Result<()> {
    cache.clear().await;
    let health = cache.health().await;
    let place = match (&health.redis, health.status) {
        (None, _) => "memory",
        (Some(_), HealthStatus::Healthy) => "memory and Redis",
        (Some(_), _) => "memory, and Redis as soon as it answers",
    };
    writeln!(out, "Values are in {place}.\n")?;

    cache
        .set("greeting", "hello")
        .ttl(Duration::from_secs(60))
        .await?;
    writeln!(
        out,
        "set, get:         {:?}",
        cache.get::<String>("greeting").await
    )?;
    writeln!(out, "delete:           {}", cache.delete("greeting").await)?;
    writeln!(
        out,
        "get:              {:?}",
        cache.get::<String>("greeting").await
    )?;

    let tiles = tiles_of_the_database()?;
    cache.set_many(&tiles).ttl(Duration::from_secs(600)).await?;
    let keys: Vec<&String> = tiles.keys().collect();
    let found = cache.get_many::<Tile>(&keys).await;
    writeln!(
        out,
        "\nbatch of {}:     {} found",
        tiles.len(),
        found.iter().flatten().count()
    )?;
    writeln!(
        out,
        "the first:        {:?}",
        found.first().and_then(Option::as_ref).map(|tile| &tile.title)
    )?;
    writeln!(out, "batch delete:     {}", cache.delete_many(&keys).await)?;

    // It goes on in the background; whoever needs to know waits for it.
    let warming = cache.warm(&tiles);
    warming.await?;
    let warm = cache.get_many::<Tile>(&keys).await;
    writeln!(out, "warmed:           {} found", warm.iter().flatten().count())?;

    writeln!(
        out,
        "\nThree entries fit; `a` is used twice, then `c` and `b` once; then comes `d`:"
    )?;
    for policy in [
        EvictionPolicy::Lru,
        EvictionPolicy::Lfu,
        EvictionPolicy::Fifo,
        EvictionPolicy::Random,
    ] {
        writeln!(
            out,
            "  {:8} {} leaves",
            format!("{policy:?}"),
            victim(policy).await?
        )?;
    }

    let text = "all work and no play ".repeat(500);
    cache.set("text", &text).await?;
    let bytes = cache.stats().total.bytes;
    cache.set("text", &text).await?;
    let written = cache.stats().total.bytes - bytes;
    if health.redis.is_some() {
        writeln!(out, "\nA text of {} bytes is {written} in Redis.", text.len())?;
    }

    let stats = cache.stats();
    let hits = stats.total.memory_hits + stats.total.redis_hits;
    writeln!(
        out,
        "\nhits: {hits}  misses: {}  ratio: {:.2}  entries in memory: {}",
        stats.total.misses,
        stats.total.hit_ratio(),
        stats.entries
    )?;
    writeln!(
        out,
        "bytes in memory are counted: {}",
        (stats.memory_bytes > 0) == (stats.entries > 0)
    )?;
    cache.clear().await;
    Ok(())
}

/// What is to be in the cache: 250 tiles, out of a database.
fn tiles_of_the_database() -> rusqlite::Result<BTreeMap<String, Tile>> {
    let db = Connection::open_in_memory()?;
    db.execute_batch(
        "CREATE TABLE tiles (id INTEGER PRIMARY KEY, title TEXT);
        WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < 250)
        INSERT INTO tiles SELECT id, 'tile ' || id FROM n;",
    )?;
    let mut tiles = db.prepare("SELECT id, title FROM tiles ORDER BY id")?;
    let rows = tiles.query_map([], |row| {
        let (id, title): (i64, String) = (row.get(0)?, row.get(1)?);
        let rows = (0..5).map(|n| id.cast_unsigned() * n).collect();
        Ok((format!("tile:{id}"), Tile { title, rows }))
    })?;
    rows.collect()
}

/// Which of three entries makes room for a fourth.
async fn victim(policy: EvictionPolicy) -> anyhow::Result<&'static str> {
    let small = CacheManager::builder()
        .backend(BackendMode::Memory)
        .max_entries(3)
        // In one part, eviction is exact.
        .shards(1)
        .eviction(policy)
        .build()
        .await?;
    small.set_many([("a", 1), ("b", 2), ("c", 3)]).await?;
    small.get_many::<u32>(["a", "a", "c", "b"]).await;
    small.set("d", &4).await?;
    for key in ["a", "b", "c"] {
        if !small.exists(key).await {
            return Ok(key);
        }
    }
    Ok("nobody")
}
