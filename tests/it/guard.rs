//! Races of loads and invalidations across processes (contract, section 7: G1 to G3, G5).

use tests::{RedisServer, shared};

use crate::worker::{Crew, Worker};

/// Everything that an invalidation can be, on the entry of `item:{id}` or of `doc:{id}`.
const KINDS: [&str; 11] = [
    "delete item:ID",
    "pattern i*m:ID",
    "pattern item:ID",
    "one ID",
    "all",
    "namespace",
    "clear",
    "tag t",
    "DEL",
    "UNLINK",
    "FLUSHALL",
];

/// The order that gives the value which `kind` is about.
fn call(kind: &str, id: usize) -> String {
    if kind.starts_with("tag") {
        format!("fetch doc:{id} tag=t")
    } else {
        format!("call {id}")
    }
}

fn key(kind: &str, id: usize) -> String {
    let namespace = if kind.starts_with("tag") { "doc" } else { "item" };
    format!("{namespace}:{id}")
}

/// Invalidates, in the process `by` or by hand.
fn invalidate(crew: &Crew<'_>, by: &Worker, kind: &str, id: usize) {
    match kind {
        "FLUSHALL" => assert_eq!(crew.redis(&[kind]), "OK"),
        "DEL" | "UNLINK" => assert_eq!(crew.redis(&[kind, &crew.key(&key(kind, id))]), "1"),
        _ => {
            by.ask(&kind.replace("ID", &id.to_string()));
        }
    }
}

#[test]
fn g1_what_was_invalidated_while_it_was_loaded_is_seen_by_its_callers_alone() {
    // Not the shared server, since it is flushed.
    let server = RedisServer::start();
    let crew = Crew::of(&server, &[]);
    let [a, b, c] = crew.workers(["a", "b", "c"]);
    for (id, kind) in KINDS.into_iter().enumerate() {
        let (call, key) = (call(kind, id), key(kind, id));
        a.ask("hold");
        let loading = a.say(&call);
        a.until(&format!("load {key}"));
        invalidate(&crew, &b, kind, id);
        // The message comes before or after the end of the load: both must do.
        if id % 2 == 0 {
            a.hear(&b);
        }
        a.ask("go");
        a.ask("release");
        let old = loading.answer();
        assert!(old.starts_with('a'), "{kind}: {old}");
        a.hear(&b);
        for worker in [&a, &b, &c] {
            assert_eq!(
                worker.ask(&format!("get {key}")),
                "nothing",
                "{kind}: {}",
                worker.name
            );
        }
        // All of them find the same new value, which is not the old one.
        let runs = a.runs();
        let new = a.ask(&call);
        assert_eq!((new != old, a.runs()), (true, runs + 1), "{kind}");
        assert_eq!([b.ask(&call), c.ask(&call)], [new.clone(), new], "{kind}");
    }
}

#[test]
fn g1_a_refresh_obeys_as_well() {
    let server = RedisServer::start();
    let crew = Crew::of(&server, &[]);
    let [a, b, c] = crew.workers(["a", "b", "c"]);
    for (id, kind) in KINDS
        .into_iter()
        .enumerate()
        .filter(|(_, kind)| !kind.starts_with("tag"))
    {
        let (call, key) = (call(kind, id), key(kind, id));
        let first = a.ask(&call);
        assert_eq!([b.ask(&call), c.ask(&call)], [first.clone(), first.clone()]);
        a.ask("hold");
        let loading = a.say(&format!("refresh {id}"));
        a.until(&format!("load {key}"));
        a.until(&format!("load {key}"));
        invalidate(&crew, &b, kind, id);
        a.ask("go");
        a.ask("release");
        let old = loading.answer();
        a.hear(&b);
        c.hear(&b);
        for worker in [&a, &b, &c] {
            let held = worker.ask(&format!("get {key}"));
            assert_ne!(held, old, "{kind}: {}", worker.name);
            // What others had in memory, a deletion by hand does not reach; `CACHE_MEMORY_TTL` bounds it.
            if !kind.chars().all(char::is_uppercase) {
                assert_eq!(held, "nothing", "{kind}: {}", worker.name);
            }
        }
    }
}

/// The process that loads loses the channel, and the invalidation comes before it has it back.
#[test]
fn g1_an_invalidation_that_was_not_heard_counts_as_well() {
    // Not the shared server, since it ends connections.
    let server = RedisServer::start();
    let crew = Crew::of(&server, &[]);
    let [a, b] = crew.workers(["a", "b"]);
    let kinds = KINDS
        .into_iter()
        .filter(|kind| !kind.chars().all(char::is_uppercase));
    for (id, kind) in kinds.enumerate() {
        let (call, key) = (call(kind, id), key(kind, id));
        a.ask("hold");
        let loading = a.say(&call);
        a.until(&format!("load {key}"));
        server.cli(&["CLIENT", "KILL", "TYPE", "pubsub"]);
        invalidate(&crew, &b, kind, id);
        // The load ends while nothing is heard, or after.
        if id % 2 == 0 {
            a.hear(&b);
        }
        a.ask("go");
        a.ask("release");
        let old = loading.answer();
        a.hear(&b);
        for worker in [&a, &b] {
            assert_eq!(
                worker.ask(&format!("get {key}")),
                "nothing",
                "{kind}: {}",
                worker.name
            );
        }
        assert_ne!(a.ask(&call), old, "{kind}");
        // Everybody hears again before the next one.
        b.hear(&a);
        a.ask("clear");
    }
}

#[test]
fn g2_who_calls_after_an_invalidation_does_not_join_the_load_before_it() {
    let crew = Crew::of(shared(), &[]);
    let [a, b] = crew.workers(["a", "b"]);
    let kinds = KINDS
        .into_iter()
        .filter(|kind| !kind.chars().all(char::is_uppercase));
    for (id, kind) in kinds.enumerate() {
        let (call, load) = (call(kind, id), format!("load {}", key(kind, id)));
        a.ask("hold");
        b.ask("hold");
        let first = a.say(&call);
        a.until(&load);
        invalidate(&crew, &a, kind, id);
        // In the same process a second load begins beside the first. Without the check in `Flight::is_shared`, or the
        // fence, nothing would come here.
        let second = a.say(&call);
        let newer = a.until(&load);
        // Another process joins the second.
        let third = b.say(&call);
        crew.until_awaited(&key(kind, id));
        a.ask("release");
        a.ask("release");
        let (first, second, third) = (first.answer(), second.answer(), third.answer());
        assert_eq!(second, format!("a{newer}"), "{kind}");
        assert_ne!(first, second, "{kind}");
        assert_eq!(third, second, "{kind}");
        a.ask("go");
        assert_eq!(a.ask(&call), second, "{kind}");
    }
    assert_eq!(b.runs(), 0);
}

#[test]
fn g2_in_another_process_neither() {
    let crew = Crew::of(shared(), &[]);
    let [a, b] = crew.workers(["a", "b"]);
    let kinds = KINDS
        .into_iter()
        .filter(|kind| !kind.chars().all(char::is_uppercase));
    for (id, kind) in kinds.enumerate() {
        let call = call(kind, id);
        a.ask("hold");
        let first = a.say(&call);
        a.until(&format!("load {}", key(kind, id)));
        invalidate(&crew, &b, kind, id);
        // It ends while the first still runs.
        let second = b.ask(&call);
        assert!(second.starts_with('b'), "{kind}: {second}");
        a.ask("go");
        a.ask("release");
        assert!(first.answer().starts_with('a'), "{kind}");
        assert_eq!([a.ask(&call), b.ask(&call)], [second.clone(), second], "{kind}");
    }
}

#[test]
fn g3_an_older_load_does_not_replace_what_a_refresh_in_another_process_stored() {
    let crew = Crew::of(shared(), &[]);
    let [a, b, c] = crew.workers(["a", "b", "c"]);
    a.ask("hold");
    let older = a.say("call 1");
    a.until("load item:1");
    assert_eq!(b.ask("refresh 1"), "b1");
    a.ask("release");
    assert_eq!(older.answer(), "a1");
    for worker in [&a, &b, &c] {
        assert_eq!(worker.ask("call 1"), "b1", "{}", worker.name);
    }
}

#[test]
fn g3_of_two_refreshes_the_newer_one_stays() {
    let crew = Crew::of(shared(), &[]);
    let [a, b, c] = crew.workers(["a", "b", "c"]);
    assert_eq!(c.ask("call 1"), "c1");
    a.ask("hold");
    let older = a.say("refresh 1");
    a.until("load item:1");
    b.ask("hold");
    let newer = b.say("refresh 1");
    b.until("load item:1");
    a.ask("release");
    assert_eq!(older.answer(), "a1");
    b.ask("release");
    assert_eq!(newer.answer(), "b1");
    a.hear(&b);
    c.hear(&b);
    assert_eq!([a.ask("call 1"), b.ask("call 1")], ["b1", "b1"]);
    assert_eq!(crew.worker("d").ask("call 1"), "b1");
}

#[test]
fn g3_in_one_process_neither() {
    let crew = Crew::of(shared(), &[]);
    let a = crew.worker("a");
    a.ask("hold");
    let older = a.say("call 1");
    a.until("load item:1");
    a.ask("go");
    assert_eq!(a.ask("refresh 1"), "a2");
    a.ask("release");
    assert_eq!(older.answer(), "a1");
    assert_eq!(a.ask("call 1"), "a2");
    assert_eq!(crew.worker("b").ask("call 1"), "a2");
}

#[test]
fn g5_lost_nonces_are_misses() {
    let crew = Crew::of(shared(), &[]);
    let a = crew.worker("a");
    for (kind, pattern) in [
        ("call 1", "%ns:*"),
        ("call 1", "%of:*"),
        ("fetch doc:1 tag=t", "%tag:*"),
    ] {
        let old = a.ask(kind);
        assert_eq!(crew.worker("b").ask(kind), old, "{pattern}");
        let nonces = crew.keys(pattern);
        assert!(!nonces.is_empty(), "{pattern}");
        for nonce in nonces {
            crew.redis(&["DEL", &nonce]);
        }
        // With a nonce that could be guessed, such as a count from zero, the entry would be served.
        assert_eq!(crew.worker("c").ask(kind), "c1", "{pattern}");
        a.ask("clear");
    }
}

#[test]
fn g5_an_entry_that_comes_back_after_its_generation_ended_is_not_served() {
    let crew = Crew::of(shared(), &[]);
    for (id, kind) in ["tag t", "all", "namespace", "clear"].into_iter().enumerate() {
        for lose_nonces in [false, true] {
            let [a, b] = crew.workers(["a", "b"]);
            let (call, key) = (call(kind, id), crew.key(&key(kind, id)));
            let old = a.ask(&call);
            assert_eq!(b.ask(&call), old, "{kind}");
            crew.redis(&["COPY", &key, "saved", "REPLACE"]);
            a.ask(kind);
            if lose_nonces {
                crew.keys("%*")
                    .iter()
                    .for_each(|nonce| drop(crew.redis(&["DEL", nonce])));
            }
            assert_eq!(crew.redis(&["COPY", "saved", &key, "REPLACE"]), "1");
            // One who knows the nonce, one who was told of it, and one who asks.
            b.hear(&a);
            let calls = [&a, &b, &crew.worker("c")].map(|worker| worker.ask(&call));
            assert!(!calls.contains(&old), "{kind}, {lose_nonces}: {calls:?}");
            a.ask("clear");
        }
    }
}

/// Redis comes back with what it had a while ago, as after a crash or on a replica that was behind.
#[test]
fn g5_a_server_that_comes_back_with_older_data_revives_nothing() {
    let folder = std::env::temp_dir().join(tests::unique_prefix());
    std::fs::create_dir(&folder).expect("a folder");
    let folder = folder.to_str().expect("text");
    let server = RedisServer::start_with(&["--dir", folder, "--dbfilename", "dump.rdb"]);
    let crew = Crew::of(&server, &[]);
    let a = crew.worker("a");
    let old = a.ask("fetch doc:1 tag=t");
    assert_eq!(server.cli(&["SAVE"]), "OK");
    a.ask("tag t");
    server.restart();
    let held = crew.worker("b").ask("get doc:1");
    std::fs::remove_dir_all(folder).expect("a folder");
    assert_ne!(held, old);
}

#[test]
fn m3_a_load_that_runs_is_not_counted_as_an_entry() {
    let crew = Crew::of(shared(), &[]);
    let [a, b] = crew.workers(["a", "b"]);
    a.ask("hold");
    for (order, count) in [("delete item:1", "false"), ("pattern i*m:1", "0")] {
        let loading = a.say("call 1");
        a.until("load item:1");
        assert_eq!(crew.redis(&["EXISTS", &crew.key("item:1")]), "1");
        assert_eq!(b.ask(order), count, "{order}");
        a.ask("release");
        loading.answer();
    }
}
