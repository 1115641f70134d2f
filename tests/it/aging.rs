//! Values past their TTL across processes, and how long anything lives (contract, section 7: T1 to T5).

use std::time::Instant;

use cache_core::{CacheManager, cache_result};
use tests::{shared, unique_prefix};

use crate::worker::{Crew, Worker, until};

/// A load that is kept for an hour past its 50 milliseconds.
const FETCH: &str = "fetch doc:1 ttl=50 stale=3600000 tag=t";

/// Waits until a value is past its TTL for each of these. What each knows of the server's clock differs by as much as the machine
/// was busy when it connected.
fn until_stale<'a>(workers: impl IntoIterator<Item = &'a Worker>, key: &str) {
    for worker in workers {
        until("the value is past its TTL", || {
            worker.ask(&format!("ttl {key}")) == "0"
        });
    }
}

#[test]
fn t1_a_failing_function_is_tried_once_a_window_by_all_processes_together() {
    let crew = Crew::of(shared(), &[("CACHE_STALE_THROTTLE", "1h")]);
    let [a, b, c] = crew.workers(["a", "b", "c"]);
    assert_eq!(a.ask(FETCH), "a1");
    until_stale([&a, &b, &c], "doc:1");
    for worker in [&a, &b, &c] {
        worker.ask("end fail");
    }
    // The first one tries. Without the window in the entry's head, each of them would.
    for worker in [&b, &b, &a, &c, &a] {
        assert_eq!(worker.ask(FETCH), "a1", "{}", worker.name);
    }
    assert_eq!([&a, &b, &c].map(Worker::runs), [1, 1, 0]);
    assert_eq!([&a, &b, &c].map(|worker| worker.ask("stale")), ["2", "2", "1"]);
}

#[test]
fn t1_after_the_window_a_failing_function_is_tried_again_by_one_alone() {
    let crew = Crew::of(shared(), &[("CACHE_STALE_THROTTLE", "1200ms")]);
    let [a, b, c] = crew.workers(["a", "b", "c"]);
    assert_eq!(a.ask(FETCH), "a1");
    until_stale([&a, &b, &c], "doc:1");
    for worker in [&a, &b, &c] {
        worker.ask("end fail");
    }
    let runs = || [&a, &b, &c].map(Worker::runs).iter().sum::<u32>();
    // In so many milliseconds it is tried so often at most; what the processes know of the server's clock differs.
    let most = |began: Instant| 1 + began.elapsed().as_millis() / 600;
    let tried = Instant::now();
    assert_eq!(b.ask(FETCH), "a1");
    assert_eq!(b.runs(), 1);
    until("it is tried again", || {
        assert_eq!(c.ask(FETCH), "a1");
        runs() > 2
    });
    assert!(tried.elapsed().as_millis() > 600, "{:?}", tried.elapsed());
    for worker in [&a, &b] {
        assert_eq!(worker.ask(FETCH), "a1", "{}", worker.name);
    }
    let runs_since = u128::from(runs() - 1);
    assert!(runs_since <= most(tried), "{runs_since} in {:?}", tried.elapsed());
    // What is good again is what all get.
    for worker in [&a, &b, &c] {
        worker.ask("end value");
    }
    until("it is tried once more", || a.ask(FETCH) != "a1");
}

#[test]
fn t1_past_the_window_of_staleness_the_error_comes_each_time() {
    let crew = Crew::of(shared(), &[]);
    let [a, b] = crew.workers(["a", "b"]);
    let fetch = "fetch doc:1 ttl=50 stale=2000";
    let fails = |worker: &Worker| worker.ask(fetch).starts_with("error");
    let started = Instant::now();
    assert_eq!(a.ask(fetch), "a1");
    for worker in [&a, &b] {
        worker.ask("end fail");
    }
    until_stale([&a, &b], "doc:1");
    for worker in [&b, &a] {
        // Serving it stale does not prolong it, or this would not end.
        until("the error comes", || fails(worker));
        assert!(started.elapsed().as_millis() > 1500, "{:?}", started.elapsed());
    }
    let runs = [&a, &b].map(Worker::runs);
    assert!(fails(&b) && fails(&b) && fails(&a));
    assert_eq!([&a, &b].map(Worker::runs), [runs[0] + 1, runs[1] + 2]);
    until("it is not in Redis", || crew.keys("doc:*").is_empty());
}

#[test]
fn t1_the_window_is_that_of_the_call() {
    let crew = Crew::of(shared(), &[]);
    let [a, b] = crew.workers(["a", "b"]);
    assert_eq!(a.ask(FETCH), "a1");
    b.ask("end fail");
    until("a shorter window is over", || {
        let left: u64 = crew
            .redis(&["PTTL", &crew.key("doc:1")])
            .parse()
            .expect("a number");
        left < 3_600_000 - 1000
    });
    assert_eq!(b.ask("fetch doc:1 ttl=50 stale=100 tag=t"), "error 1");
    assert_eq!(b.ask(FETCH), "a1");
}

#[test]
fn t2_what_is_invalidated_is_not_served_stale() {
    let crew = Crew::of(shared(), &[]);
    let [a, b] = crew.workers(["a", "b"]);
    for order in ["delete doc:1", "pattern doc:*", "pattern d*c:1", "tag t", "clear"] {
        for by in [&a, &b] {
            for worker in [&a, &b] {
                worker.ask("end value");
                worker.ask(FETCH);
            }
            until_stale([&a, &b], "doc:1");
            for worker in [&a, &b] {
                worker.ask("end fail");
            }
            by.ask(order);
            a.hear(&b);
            b.hear(&a);
            for worker in [&a, &b, &crew.worker("c")] {
                worker.ask("end fail");
                let answer = worker.ask(FETCH);
                assert!(
                    answer.starts_with("error"),
                    "{order} by {}: {}: {answer}",
                    by.name,
                    worker.name
                );
            }
        }
    }
}

#[test]
fn t2_a_deletion_by_hand_takes_what_redis_would_serve_stale() {
    let crew = Crew::of(shared(), &[]);
    let [a, b] = crew.workers(["a", "b"]);
    assert_eq!(a.ask(FETCH), "a1");
    until_stale([&a, &b], "doc:1");
    crew.redis(&["DEL", &crew.key("doc:1")]);
    b.ask("end fail");
    assert_eq!(b.ask(FETCH), "error 1");
}

#[test]
fn t2_what_is_invalidated_while_its_load_fails_is_not_served_stale() {
    let crew = Crew::of(shared(), &[]);
    let [a, b] = crew.workers(["a", "b"]);
    b.ask("end fail");
    for order in ["delete doc:1", "pattern d*c:1", "tag t", "clear"] {
        for by in [&a, &b] {
            assert!(a.ask(FETCH).starts_with('a'), "{order}");
            until_stale([&a, &b], "doc:1");
            // It has found the stale value in Redis.
            b.ask("hold");
            let loading = b.say(FETCH);
            b.until("load doc:1");
            by.ask(order);
            b.hear(by);
            b.ask("go");
            b.ask("release");
            let answer = loading.answer();
            assert!(answer.starts_with("error"), "{order} by {}: {answer}", by.name);
        }
    }
}

#[test]
fn t3_one_process_refreshes_in_the_background_while_all_are_served() {
    let crew = Crew::of(shared(), &[]);
    let workers = crew.workers(["a", "b", "c"]);
    let [a, b, c] = workers.each_ref();
    assert_eq!(a.ask("early 1"), "a1");
    until_stale([a, b, c], "early:1");
    for worker in [a, b, c] {
        worker.ask("hold");
    }
    // One that has never had it begins; the others have it in memory, or not.
    assert_eq!(b.ask("early 1"), "a1");
    b.until("load early:1");
    for worker in [c, a, b, c, a, b, c, a] {
        assert_eq!(worker.ask("early 1"), "a1", "{}", worker.name);
    }
    assert_eq!([a, b, c].map(Worker::runs), [1, 1, 0]);
    b.ask("release");
    // The load that nobody waited for is stored as any other. Whoever called now might refresh it once more.
    until("the refreshed value is in Redis", || {
        crew.redis(&["GET", &crew.key("early:1")]).contains("\"b1\"")
    });
    assert_eq!([a, b, c].map(Worker::runs), [1, 1, 0]);
}

#[test]
fn t3_a_background_refresh_of_a_process_that_dies_is_taken_over() {
    let crew = Crew::of(shared(), &[("CACHE_LEASE", "500ms")]);
    let [a, b] = crew.workers(["a", "b"]);
    assert_eq!(a.ask("early 1"), "a1");
    until_stale([&a, &b], "early:1");
    a.until("load early:1");
    a.ask("hold");
    assert_eq!(a.ask("early 1"), "a1");
    a.until("load early:1");
    a.kill();
    let died = Instant::now();
    until("another one refreshes", || b.ask("early 1") == "b1");
    // Else it would be ten seconds.
    assert!(died.elapsed().as_secs() < 5, "{:?}", died.elapsed());
}

#[test]
fn t3_a_background_refresh_that_failed_is_not_repeated_by_another_process() {
    let crew = Crew::of(shared(), &[]);
    let [a, b] = crew.workers(["a", "b"]);
    assert_eq!(a.ask("early 1"), "a1");
    until_stale([&a, &b], "early:1");
    for worker in [&a, &b] {
        worker.ask("end fail");
    }
    assert_eq!(a.ask("early 1"), "a1");
    until("it has failed", || {
        crew.redis(&["GETRANGE", &crew.key("early:1"), "41", "41"]) == "\u{2}"
    });
    for _ in 0..50 {
        assert_eq!(b.ask("early 1"), "a1");
    }
    assert_eq!((a.runs(), b.runs()), (2, 0));
}

#[test]
fn t3_one_process_refreshes_ahead() {
    let crew = Crew::of(shared(), &[]);
    let workers = crew.workers(["a", "b", "c"]);
    let [a, b, c] = workers.each_ref();
    assert_eq!(a.ask("ahead 1"), "a1");
    assert_eq!([b.ask("ahead 1"), c.ask("ahead 1")], ["a1", "a1"]);
    for worker in [a, b, c] {
        worker.ask("hold");
    }
    until("a refresh is due", || {
        let left: u32 = a.ask("ttl ahead:1").parse().expect("a number");
        left < 9800
    });
    let runs = || [a, b, c].map(Worker::runs).iter().sum::<u32>();
    until("one has begun", || {
        for worker in [a, b, c] {
            assert_eq!(worker.ask("ahead 1"), "a1", "{}", worker.name);
        }
        runs() > 1
    });
    for worker in [a, b, c, a, b, c] {
        assert_eq!(worker.ask("ahead 1"), "a1", "{}", worker.name);
    }
    assert_eq!(runs(), 2);
    for worker in [a, b, c] {
        worker.ask("release");
    }
    let d = crew.worker("d");
    until("the refreshed value is there", || d.ask("get ahead:1") != "a1");
}

#[test]
fn t4_a_deletion_by_hand_is_seen_in_memory_within_its_ttl() {
    let crew = Crew::of(shared(), &[("CACHE_MEMORY_TTL", "400ms")]);
    let [a, b] = crew.workers(["a", "b"]);
    assert_eq!([a.ask("call 1"), b.ask("call 1")], ["a1", "a1"]);
    crew.redis(&["DEL", &crew.key("item:1")]);
    for worker in [&a, &b] {
        until("memory asks Redis again", || {
            // Reading does not prolong it. By default it would take a minute.
            worker.ask("get item:1") == "nothing"
        });
    }
    assert_eq!(a.ask("call 1"), "a2");
}

#[test]
fn t4_memory_forgets_a_value_when_redis_does() {
    let crew = Crew::of(shared(), &[]);
    let [a, b] = crew.workers(["a", "b"]);
    assert_eq!(a.ask("fetch doc:1 ttl=400"), "a1");
    for worker in [&a, &b] {
        until("it is gone", || worker.ask("get doc:1") == "nothing");
    }
    // Copied late, it is as old as it is.
    assert_eq!(a.ask("fetch doc:2 ttl=50000"), "a2");
    until("a part of its life is over", || {
        let left = crew.redis(&["PTTL", &crew.key("doc:2")]);
        left.parse::<u32>().expect("a number") < 48_500
    });
    assert_eq!(b.ask("get doc:2"), "a2");
    // From here on only memory has it.
    crew.redis(&["DEL", &crew.key("doc:2")]);
    let left: u32 = b.ask("ttl doc:2").parse().expect("a number");
    assert!((1..49_000).contains(&left), "{left}");
}

#[cache_result(key = "jittered:{id}", ttl = 1000, jitter = 0.5)]
async fn jittered(id: u64) -> u64 {
    id
}

#[tokio::test]
async fn t5_jitter_shortens_what_redis_holds_as_well() {
    let (server, prefix) = (shared(), unique_prefix());
    let cache = async || {
        let builder = CacheManager::builder().redis_url(server.url());
        builder.key_prefix(&prefix).build().await.expect("a cache")
    };
    let (one, two) = (cache().await, cache().await);
    let mut lives = Vec::new();
    for id in 0..50 {
        one.scope(jittered(id)).await;
        let life: u64 = server
            .cli(&["PTTL", &format!("{prefix}:jittered:{id}")])
            .parse()
            .expect("a number");
        assert!((490_000..=1_000_000).contains(&life), "{life}");
        // It is fresh for as long as it is there.
        let fresh = two
            .ttl(format!("jittered:{id}"))
            .await
            .expect("it is fresh")
            .as_millis() as u64;
        assert!(fresh.abs_diff(life) < 5000, "{fresh} {life}");
        lives.push(life);
    }
    let (least, most) = (lives.iter().min().expect("50"), lives.iter().max().expect("50"));
    assert!(most - least > 200_000, "{lives:?}");
}
