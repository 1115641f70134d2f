//! What a hit in Redis costs the process that asks.
//!
//! The reference is a `GET` over the multiplexed connection of the `redis` crate and `serde_json` on what comes
//! back: what a careful user would write. The server is one of our own, on this machine, so that waiting
//! is short; the client's CPU time is the column to look at.

use std::future::Future;
use std::hint::black_box;
use std::process::Command;
use std::sync::{LazyLock, OnceLock};

use redis::AsyncCommands;
use tokio::runtime::{Builder, Runtime};

use crate::Options;
use crate::data::{ARGUMENTS, EVERY_KEY, Item, KEYS, ORDER, ZIPF_KEYS, items};
use crate::redis_server::RedisServer;
use crate::table::{Candidate, Clock, compare};

#[cfg(feature = "ours")]
#[path = "redis/ours.rs"]
mod ours;

const REFERENCE: &str = "redis: GET on MultiplexedConnection, serde_json";

type Value = Vec<Item>;

static SERVER: LazyLock<RedisServer> = LazyLock::new(RedisServer::start);
static LENGTH: OnceLock<u64> = OnceLock::new();

fn load(id: u64) -> Value {
    items(id, *LENGTH.get().expect("set at start"))
}

#[cached::macros::concurrent_cached(
    ty = "cached::AsyncRedisCache<String, Value>",
    create = {
        cached::AsyncRedisCache::builder("bench")
            .ttl_secs(3600)
            .connection_string(&SERVER.url())
            .build()
            .await
            .expect("the server is there")
    },
    key = "String",
    convert = { format!("{id}:{name}") },
    map_error = |error| error.to_string()
)]
async fn cached_redis(id: u64, name: &str) -> Result<Value, String> {
    let _ = name;
    Ok(load(id))
}

/// Prints all tables, each from a process of its own.
pub fn run(options: &Options) {
    let program = std::env::current_exe().expect("this program has a path");
    for (length, tasks) in [(4, 1), (64, 1), (4, 64), (64, 64), (4, 512), (64, 512)] {
        let effort = if tasks == 1 {
            options.effort(31, 20)
        } else {
            options.effort(15, 60)
        };
        let (rounds, slice) = (effort.rounds.to_string(), effort.slice.as_millis().to_string());
        let status = Command::new(&program)
            .args(["redis-table", &length.to_string(), &tasks.to_string()])
            .args(["--rounds", &rounds, "--slice-ms", &slice])
            .status();
        assert!(
            status.as_ref().is_ok_and(|it| it.success()),
            "the table of {length} items, {tasks} tasks: {status:?}"
        );
    }
}

/// Prints one table: so many items in a value, so many tasks.
pub fn table(options: &Options) {
    let number = |at: usize| options.word(at).and_then(|it| it.parse().ok());
    let (Some(length), Some(tasks)) = (number(1), number(2)) else {
        panic!("usage: redis-table ITEMS TASKS")
    };
    LENGTH.get_or_init(|| length);
    let runtime = if tasks == 1 {
        Builder::new_current_thread()
    } else {
        Builder::new_multi_thread()
    }
    .worker_threads(2)
    .enable_all()
    .build()
    .expect("a runtime");
    let runtime: &'static Runtime = Box::leak(Box::new(runtime));

    let client = redis::Client::open(SERVER.url()).expect("the address is right");
    let connection = runtime
        .block_on(client.get_multiplexed_async_connection())
        .expect("the server is there");
    static NAMES: LazyLock<Vec<String>> = LazyLock::new(|| {
        ARGUMENTS
            .iter()
            .map(|(id, name)| format!("raw:{id}:{name}"))
            .collect()
    });
    runtime.block_on(async {
        let mut connection = connection.clone();
        for (name, (id, _)) in NAMES.iter().zip(ARGUMENTS.iter()) {
            let json = serde_json::to_vec(&load(*id)).expect("it serialises");
            let () = connection.set(name, json).await.expect("the server takes it");
        }
    });
    let bytes = serde_json::to_vec(&load(ARGUMENTS[KEYS / 2].0))
        .expect("it serialises")
        .len();

    let (bare, decoded) = (connection.clone(), connection);
    let mut candidates = vec![
        candidate(
            runtime,
            tasks,
            "redis: GET on MultiplexedConnection, not decoded",
            move |at| {
                let mut connection = bare.clone();
                async move {
                    connection
                        .get::<_, Vec<u8>>(&NAMES[at])
                        .await
                        .expect("the server answers")
                }
            },
        ),
        candidate(runtime, tasks, REFERENCE, move |at| {
            let mut connection = decoded.clone();
            async move {
                let json: Vec<u8> = connection.get(&NAMES[at]).await.expect("the server answers");
                serde_json::from_slice::<Value>(&json).expect("it is JSON")
            }
        }),
    ];
    #[cfg(feature = "ours")]
    candidates.extend(ours::candidates(runtime, tasks));
    candidates.push(candidate(
        runtime,
        tasks,
        "cached: `#[concurrent_cached]` on Redis (MessagePack)",
        |at| async move {
            let (id, name) = &ARGUMENTS[at];
            cached_redis(*id, name).await.expect("the server answers")
        },
    ));
    let threads = if tasks == 1 {
        "1 task".to_owned()
    } else {
        format!("{tasks} tasks on 2 threads")
    };
    let title = format!("Hit in Redis, {bytes} bytes of JSON: {threads}");
    compare(
        &title,
        &Clock::Wall,
        options.effort(15, 60),
        REFERENCE,
        candidates,
    );
}

/// Calls `call` for each key once, so that all that is measured later are hits, and prepares its measurement.
fn candidate<F, R>(runtime: &'static Runtime, tasks: u64, name: &str, call: F) -> Candidate<'static>
where
    F: Fn(usize) -> R + Clone + Send + 'static,
    R: Future<Output: Send> + Send + 'static,
{
    runtime.block_on(call_each(call.clone(), &EVERY_KEY, 0, KEYS as u64));
    Candidate::new(name, tasks, move |count| {
        runtime.block_on(async {
            if tasks == 1 {
                return call_each(call.clone(), &ZIPF_KEYS, 0, count).await;
            }
            let task = |n: u64| tokio::spawn(call_each(call.clone(), &ZIPF_KEYS, n as usize * 1_009, count));
            let tasks: Vec<_> = (0..tasks).map(task).collect();
            for task in tasks {
                task.await.expect("the task ends");
            }
        });
    })
}

async fn call_each<F: Fn(usize) -> R, R: Future>(call: F, order: &'static [u32], offset: usize, count: u64) {
    for n in 0..count as usize {
        black_box(call(order[(offset + n) % ORDER] as usize).await);
    }
}
