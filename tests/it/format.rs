//! What is under a key and is no entry, or one of another shape (contract, section 7: F1, F3).

use std::collections::HashMap;
use std::time::Duration;

use cache_core::{BackendMode, CacheManager, cache_result};
use redis::AsyncCommands;
use redis::aio::MultiplexedConnection;
use serde::{Deserialize, Serialize};
use tests::{RedisServer, shared, unique_prefix};

async fn redis_only(server: &RedisServer, prefix: &str) -> CacheManager {
    CacheManager::builder()
        .redis_url(server.url())
        .backend(BackendMode::Redis)
        .key_prefix(prefix)
        .op_budget(Duration::from_secs(5))
        .build()
        .await
        .expect("a cache")
}

/// How often a function ran, and how often something could not be used.
fn counts(cache: &CacheManager) -> (u64, u64) {
    let total = cache.stats().total;
    (total.loads, total.errors)
}

/// The same function in another version of a program: its value is of another type.
macro_rules! program {
    ($name:ident: $value:ty = $make:expr; $($item:item)*) => {
        mod $name {
            use super::*;

            $(#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)] $item)*

            #[cache_result(key = "profile:{id}")]
            pub(super) async fn profile(id: u64) -> $value {
                let _ = id;
                $make
            }
        }
    };
}

fn map<V>(value: V) -> HashMap<String, V> {
    HashMap::from([("k".to_owned(), value)])
}

program! { first: User = User { id: 1, name: "Ann".into() };
    pub(super) struct User { pub(super) id: u32, pub(super) name: String }
}
program! { renamed: User = User { id: 1, title: None };
    pub(super) struct User { pub(super) id: u32, pub(super) title: Option<String> }
}
program! { retyped: User = User { id: -1, name: "Ann".into() };
    pub(super) struct User { pub(super) id: i64, pub(super) name: String }
}
program! { added: User = User { id: 1, name: "Ann".into(), age: 7 };
    pub(super) struct User { pub(super) id: u32, pub(super) name: String, #[serde(default)] pub(super) age: u8 }
}
program! { removed: User = User { id: 2 };
    pub(super) struct User { pub(super) id: u32 }
}
program! { optional: User = User { id: Some(2), name: "Ann".into() };
    pub(super) struct User { pub(super) id: Option<u32>, pub(super) name: String }
}
program! { in_vec: Vec<first::User> = vec![first::User { id: 1, name: "Ann".into() }]; }
program! { added_in_vec: Vec<added::User> = vec![added::User { id: 1, name: "Ann".into(), age: 7 }]; }
program! { retyped_in_vec: Vec<retyped::User> = vec![retyped::User { id: -1, name: "Ann".into() }]; }
program! { in_option: Page = Page { top: Some(first::User { id: 1, name: "Ann".into() }) };
    pub(super) struct Page { pub(super) top: Option<first::User> }
}
program! { added_in_option: Page = Page { top: Some(added::User { id: 1, name: "Ann".into(), age: 7 }) };
    pub(super) struct Page { pub(super) top: Option<added::User> }
}
program! { in_map: HashMap<String, first::User> = map(first::User { id: 1, name: "Ann".into() }); }
program! { added_in_map: HashMap<String, added::User> = map(added::User { id: 1, name: "Ann".into(), age: 7 }); }
program! { in_all: Vec<Option<HashMap<String, first::User>>> =
    vec![Some(map(first::User { id: 1, name: "Ann".into() }))];
}
program! { added_in_all: Vec<Option<HashMap<String, added::User>>> =
    vec![Some(map(added::User { id: 1, name: "Ann".into(), age: 7 }))];
}
program! { choice: State = State::Open { since: 1 };
    pub(super) enum State { Open { since: u32 }, Closed }
}
program! { other_choice: State = State::Open { since: 1, by: None };
    pub(super) enum State { Open { since: u32, by: Option<u32> }, Closed }
}

#[tokio::test]
async fn f1_an_entry_of_another_shape_is_a_miss_is_counted_and_is_replaced() {
    let server = shared();
    macro_rules! follows {
        ($($old:ident -> $new:ident,)*) => {$({
            let names = concat!(stringify!($old), " to ", stringify!($new));
            let prefix = unique_prefix();
            let old = redis_only(server, &prefix).await.scope($old::profile(1)).await;
            // The same program finds it.
            let cache = redis_only(server, &prefix).await;
            assert_eq!(cache.scope($old::profile(1)).await, old, "{names}");
            assert_eq!(counts(&cache), (0, 0), "{names}");
            // Another one does not, and says so.
            let cache = redis_only(server, &prefix).await;
            let new = cache.scope($new::profile(1)).await;
            assert_eq!(counts(&cache), (1, 1), "{names}");
            // It has put its own in its place.
            let cache = redis_only(server, &prefix).await;
            assert_eq!(cache.scope($new::profile(1)).await, new, "{names}");
            assert_eq!(counts(&cache), (0, 0), "{names}");
            // And back again.
            let cache = redis_only(server, &prefix).await;
            assert_eq!(cache.scope($old::profile(1)).await, old, "{names}");
            assert_eq!(counts(&cache), (1, 1), "{names}");
        })*};
    }
    follows! {
        first -> renamed,
        first -> retyped,
        first -> added,
        first -> removed,
        first -> optional,
        first -> in_vec,
        in_vec -> added_in_vec,
        in_vec -> retyped_in_vec,
        in_option -> added_in_option,
        in_map -> added_in_map,
        in_all -> added_in_all,
        choice -> other_choice,
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Note {
    id: u64,
    text: String,
}

#[cache_result(key = "note:{id}", tags = ["desk"])]
async fn note(id: u64) -> Option<Note> {
    Some(right(id))
}

fn right(id: u64) -> Note {
    Note {
        id,
        text: "milk".into(),
    }
}

/// One entry, its bytes, and what can be put in their place.
struct Bench {
    cache: CacheManager,
    key: String,
    connection: MultiplexedConnection,
    whole: Vec<u8>,
    payload: usize,
}

impl Bench {
    async fn new() -> Self {
        let (server, prefix) = (shared(), unique_prefix());
        let cache = redis_only(server, &prefix).await;
        cache.scope(note(1)).await;
        let client = redis::Client::open(server.url()).expect("a client");
        let mut connection = client
            .get_multiplexed_async_connection()
            .await
            .expect("it answers");
        let key = format!("{prefix}:note:1");
        let whole: Vec<u8> = connection.get(&key).await.expect("an entry");
        let payload = whole.len() - serde_json::to_vec(&right(1)).expect("text").len();
        assert_eq!(whole[payload..], serde_json::to_vec(&right(1)).expect("text"));
        Self {
            cache,
            key,
            connection,
            whole,
            payload,
        }
    }

    /// What the function gives with these bytes under its key.
    async fn with(&mut self, bytes: &[u8]) -> Option<Note> {
        let () = self.connection.set(&self.key, bytes).await.expect("stored");
        self.cache.scope(note(1)).await
    }
}

#[tokio::test]
async fn f3_an_entry_cut_short_anywhere_is_a_miss_and_is_replaced() {
    let mut bench = Bench::new().await;
    let whole = bench.whole.clone();
    for length in 0..whole.len() {
        let (runs, _) = counts(&bench.cache);
        assert_eq!(bench.with(&whole[..length]).await, Some(right(1)), "{length}");
        assert!(counts(&bench.cache).0 > runs, "{length}");
        assert_eq!(bench.cache.get("note:1").await, Some(right(1)), "{length}");
    }
    assert!(bench.cache.stats().total.errors as usize >= whole.len());
    let mut longer = whole;
    longer.push(b' ');
    assert_eq!(bench.with(&longer).await, Some(right(1)));
}

/// The format has no checksum: it cannot know of a bit that fell over inside of the payload, as Redis over TCP does not
/// lose any. What stands before the payload never makes another value of it.
#[tokio::test]
async fn f3_no_bit_before_the_payload_makes_another_value() {
    let mut bench = Bench::new().await;
    for at in 0..bench.payload {
        for bit in 0..8 {
            let mut bytes = bench.whole.clone();
            bytes[at] ^= 1 << bit;
            assert_eq!(bench.with(&bytes).await, Some(right(1)), "bit {bit} of byte {at}");
        }
    }
}

#[tokio::test]
async fn f3_broken_payloads_never_panic() {
    let mut bench = Bench::new().await;
    for at in bench.payload..bench.whole.len() {
        for mask in [0xFF, 0x80, 0x01] {
            let mut bytes = bench.whole.clone();
            bytes[at] ^= mask;
            assert!(bench.with(&bytes).await.is_some());
        }
    }
}

#[tokio::test]
async fn f3_arbitrary_bytes_run_the_function() {
    let mut bench = Bench::new().await;
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for round in 0..400 {
        let length = random() % 300;
        let mut bytes: Vec<u8> = (0..length).map(|_| random() as u8).collect();
        // Half of them look like entries at first, or like leases.
        if round % 2 == 0 {
            let head = &bench.whole[..(random() % 120) as usize % bench.whole.len()];
            let both = head.len().min(bytes.len());
            bytes[..both].copy_from_slice(&head[..both]);
        }
        let (runs, _) = counts(&bench.cache);
        assert_eq!(bench.with(&bytes).await, Some(right(1)), "{bytes:?}");
        assert!(counts(&bench.cache).0 > runs, "{bytes:?}");
    }
}

#[tokio::test]
async fn f3_a_deletion_by_hand_is_an_invalidation() {
    let mut bench = Bench::new().await;
    let (runs, _) = counts(&bench.cache);
    bench.cache.scope(note(1)).await;
    let hit = counts(&bench.cache).0 == runs;
    let () = bench.connection.del(&bench.key).await.expect("deleted");
    let (runs, _) = counts(&bench.cache);
    assert_eq!(bench.cache.scope(note(1)).await, Some(right(1)));
    assert!(hit && counts(&bench.cache).0 > runs);
}

/// How many clients wait for the server to take their scripts.
fn waiting(server: &RedisServer) -> usize {
    let clients = server.cli(&["CLIENT", "LIST"]);
    let waits = |client: &&str| client.contains(" flags=b ") && client.contains(" cmd=evalsha ");
    clients.lines().filter(waits).count()
}

#[tokio::test]
async fn f1_what_cannot_be_read_is_removed_only_if_it_is_still_there() {
    // Not the shared server, since it is paused.
    let server = RedisServer::start();
    let (one, two) = (redis_only(&server, "p").await, redis_only(&server, "p").await);
    two.set("k", &1).await.expect("stored");
    for read in ["get", "get_many", "load"] {
        server.cli(&["SET", "p:k", "junk"]);
        // What is read is answered; what may write waits, and is done in the order in which it came.
        server.cli(&["CLIENT", "PAUSE", "60000", "WRITE"]);
        let cache = two.clone();
        let storing = tokio::spawn(async move { cache.set("k", &2).await });
        until("the value is on its way", || waiting(&server) == 1).await;
        let cache = one.clone();
        let reading = tokio::spawn(async move {
            match read {
                "get" => cache.get::<u8>("k").await,
                "get_many" => cache.get_many(["k"]).await.remove(0),
                _ => cache.get_or_fetch("k", || async { Ok::<u8, ()>(3) }).await.ok(),
            }
        });
        until("the junk is read", || waiting(&server) == 2).await;
        server.cli(&["CLIENT", "UNPAUSE"]);
        storing.await.expect("no panic").expect("stored");
        // A load looks again before it runs.
        let expected = (read == "load").then_some(2);
        assert_eq!(reading.await.expect("no panic"), expected, "{read}");
        assert_eq!(two.get("k").await, Some(2), "{read}");
    }
    // What is still there goes.
    server.cli(&["SET", "p:k", "junk"]);
    assert_eq!(one.get::<u8>("k").await, None);
    assert_eq!(server.cli(&["EXISTS", "p:k"]), "0");
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    let looking = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let looked = tokio::time::timeout(Duration::from_secs(10), looking).await;
    looked.unwrap_or_else(|_| panic!("still not: {what}"));
}
