//! Values past their TTL across processes, and how long anything lives (contract, section 7: T1 to T5).

use std::time::{Duration, Instant};

use cache_core::{CacheManager, cache_result};
use tests::{shared, unique_prefix};

use crate::worker::{Crew, Worker, until};

/// A load that is kept for an hour past its 50 milliseconds.
const FETCH: &str = "fetch doc:1 ttl=50 stale=3600000 tag=t";

fn until_stale(worker: &Worker, key: &str) {
    until("the value is past its TTL", || {
        worker.ask(&format!("ttl {key}")) == "0"
    });
}

#[test]
fn t1_a_failing_function_is_tried_once_a_window_by_all_processes_together() {
    let crew = Crew::of(shared(), &[("CACHE_STALE_THROTTLE", "1200ms")]);
    let [a, b, c] = crew.workers(["a", "b", "c"]);
    assert_eq!(a.ask(FETCH), "a1");
    until_stale(&a, "doc:1");
    for worker in [&a, &b, &c] {
        worker.ask("end fail");
    }
    let tried = Instant::now();
    // The first one tries. Without the window in the entry's head, each of them would.
    for worker in [&b, &b, &a, &c, &a] {
        assert_eq!(worker.ask(FETCH), "a1", "{}", worker.name);
    }
    assert!(
        tried.elapsed() < Duration::from_millis(1000),
        "the machine is too busy to tell"
    );
    assert_eq!([&a, &b, &c].map(Worker::runs), [1, 1, 0]);
    assert_eq!([&a, &b, &c].map(|worker| worker.ask("stale")), ["2", "2", "1"]);
    // After the window it is tried again, and again by one alone.
    let runs = || [&a, &b, &c].map(Worker::runs).iter().sum::<u32>();
    until("it is tried again", || {
        assert_eq!(c.ask(FETCH), "a1");
        runs() == 3
    });
    assert!(tried.elapsed() > Duration::from_millis(1200));
    for worker in [&a, &b] {
        assert_eq!(worker.ask(FETCH), "a1", "{}", worker.name);
    }
    assert_eq!(runs(), 3);
    // What is good again is what all get.
    for worker in [&a, &b, &c] {
        worker.ask("end value");
    }
    until("it is tried once more", || a.ask(FETCH) != "a1" && runs() > 3);
}

#[test]
fn t1_past_the_window_of_staleness_the_error_comes_each_time() {
    let crew = Crew::of(shared(), &[]);
    let [a, b] = crew.workers(["a", "b"]);
    let fetch = "fetch doc:1 ttl=50 stale=250";
    let started = Instant::now();
    assert_eq!(a.ask(fetch), "a1");
    for worker in [&a, &b] {
        worker.ask("end fail");
    }
    until_stale(&a, "doc:1");
    // Serving it stale does not prolong it.
    until("the error comes", || b.ask(fetch).starts_with("error"));
    let took = started.elapsed();
    assert!((300..1000).contains(&took.as_millis()), "{took:?}");
    let runs = b.runs();
    assert!(b.ask(fetch).starts_with("error") && b.ask(fetch).starts_with("error"));
    assert!(a.ask(fetch).starts_with("error"));
    assert_eq!((a.runs(), b.runs()), (2, runs + 2));
    assert_eq!(crew.keys("doc:*"), [""; 0]);
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
        left < 3_600_000 - 100
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
            until_stale(&a, "doc:1");
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
    until_stale(&a, "doc:1");
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
            until_stale(&a, "doc:1");
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
    until_stale(a, "early:1");
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
    until_stale(&a, "early:1");
    a.until("load early:1");
    a.ask("hold");
    assert_eq!(a.ask("early 1"), "a1");
    a.until("load early:1");
    a.kill();
    let died = Instant::now();
    until("another one refreshes", || b.ask("early 1") == "b1");
    assert!(
        died.elapsed() < Duration::from_millis(1500),
        "{:?}",
        died.elapsed()
    );
}

#[test]
fn t3_a_background_refresh_that_failed_is_not_repeated_by_another_process() {
    let crew = Crew::of(shared(), &[]);
    let [a, b] = crew.workers(["a", "b"]);
    assert_eq!(a.ask("early 1"), "a1");
    until_stale(&a, "early:1");
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
    let loaded = Instant::now();
    assert_eq!([a.ask("call 1"), b.ask("call 1")], ["a1", "a1"]);
    crew.redis(&["DEL", &crew.key("item:1")]);
    for worker in [&a, &b] {
        until("memory asks Redis again", || {
            // Reading does not prolong it.
            worker.ask("get item:1") == "nothing"
        });
    }
    let took = loaded.elapsed();
    assert!(took < Duration::from_millis(900), "{took:?}");
    assert_eq!(a.ask("call 1"), "a2");
}

#[test]
fn t4_memory_forgets_a_value_when_redis_does() {
    let crew = Crew::of(shared(), &[]);
    let [a, b] = crew.workers(["a", "b"]);
    let loaded = Instant::now();
    assert_eq!(a.ask("fetch doc:1 ttl=400"), "a1");
    // Copied late, it is as old as it is.
    until("half of its life is over", || {
        loaded.elapsed() > Duration::from_millis(250)
    });
    let copied = b.ask("get doc:1");
    until("it is gone", || b.ask("get doc:1") == "nothing");
    let took = loaded.elapsed();
    assert!(
        copied == "nothing" || took < Duration::from_millis(600),
        "{took:?}"
    );
    assert_eq!(a.ask("get doc:1"), "nothing");
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
