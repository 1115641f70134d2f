//! One load across processes that share a Redis (contract, section 7: S2 to S5, S7).

use std::time::{Duration, Instant};

use tests::{RedisServer, shared};

use crate::worker::{Crew, Worker, until};

#[test]
fn s2_two_hundred_callers_in_four_processes_are_one_run() {
    let crew = Crew::of(shared(), &[]);
    let workers = crew.workers(["a", "b", "c", "d"]);
    for worker in &workers {
        worker.ask("end sleep 200");
    }
    let asked = workers.each_ref().map(|worker| worker.say("calls 50 1"));
    let answers = asked.map(|asked| asked.answer());
    // Without a claim in Redis, each process would run.
    assert_eq!(workers.iter().map(Worker::runs).sum::<u32>(), 1, "{answers:?}");
    assert!(answers[0].ends_with("1 to 50"), "{answers:?}");
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
}

#[test]
fn s2_a_holder_that_dies_frees_the_others_within_the_lease() {
    let crew = Crew::of(shared(), &[("CACHE_LEASE", "1")]);
    let [holder, b, c, d] = crew.workers(["a", "b", "c", "d"]);
    holder.ask("hold");
    let _ = holder.say("call 1");
    holder.until("load item:1");
    let others = [&b, &c, &d];
    for worker in others {
        worker.ask("end sleep 200");
    }
    let asked = others.map(|worker| worker.say("calls 50 1"));
    crew.until_awaited("item:1");
    let died = Instant::now();
    holder.kill();
    let answers = asked.map(|asked| asked.answer());
    let took = died.elapsed();
    // The lease, one load, and room for a busy machine.
    assert!(took < Duration::from_millis(2500), "{took:?}");
    assert_eq!(
        others.iter().map(|worker| worker.runs()).sum::<u32>(),
        1,
        "{answers:?}"
    );
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
}

#[test]
fn s2_when_the_holders_load_fails_the_others_run_side_by_side() {
    let crew = Crew::of(shared(), &[]);
    let [holder, b, c, d] = crew.workers(["a", "b", "c", "d"]);
    holder.ask("hold");
    holder.ask("end fail");
    let failed = holder.say("call 1");
    holder.until("load item:1");
    let monitor = crew.server.monitor();
    let others = [&b, &c, &d];
    for worker in others {
        worker.ask("hold");
    }
    let asked = others.map(|worker| worker.say("call 1"));
    // Each of them has claimed the key in vain.
    until("three processes wait", || {
        let lines = monitor.lines();
        let claims = lines
            .iter()
            .filter(|line| line.contains("\"fill\"") && line.contains(&crew.prefix));
        let mut clients: Vec<&str> = claims.filter_map(|line| line.split(' ').nth(2)).collect();
        clients.sort_unstable();
        clients.dedup();
        clients.len() == 3
    });
    holder.ask("release");
    assert_eq!(failed.answer(), "error 1");
    // All of them are inside of the function at the same time: none waits for another's load.
    for worker in others {
        worker.until("load item:1");
    }
    for worker in others {
        worker.ask("release");
    }
    let answers = asked.map(|asked| asked.answer());
    assert_eq!(answers, ["b1", "c1", "d1"]);
}

#[test]
fn s2_where_redis_refuses_scripts_each_process_loads_once() {
    let server = RedisServer::start();
    server.cli(&[
        "ACL",
        "SETUSER",
        "plain",
        "on",
        ">secret",
        "~*",
        "&*",
        "+@all",
        "-@scripting",
    ]);
    let url = format!("redis://plain:secret@127.0.0.1:{}/", server.port());
    let workers = ["a", "b", "c"].map(|name| Worker::start(name, &[("REDIS_URL", &url)]));
    for worker in &workers {
        worker.ask("end sleep 100");
    }
    let started = Instant::now();
    let asked = workers.each_ref().map(|worker| worker.say("calls 50 1"));
    let answers = asked.map(|asked| asked.answer());
    assert_eq!(answers, ["a1 to 50", "b1 to 50", "c1 to 50"]);
    assert_eq!(workers.each_ref().map(Worker::runs), [1, 1, 1]);
    // An invalidation that Redis refuses holds in its own process all the same.
    workers[0].ask("delete item:1");
    assert_eq!(workers[0].ask("call 1"), "a2");
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "{:?}",
        started.elapsed()
    );
}

#[test]
fn s4_a_load_longer_than_the_lease_keeps_its_claim() {
    let crew = Crew::of(shared(), &[("CACHE_LEASE", "1")]);
    let [a, b] = crew.workers(["a", "b"]);
    a.ask("end sleep 2500");
    let first = a.say("call 1");
    a.until("load item:1");
    // Without signs of life, the second would run after a second.
    assert_eq!(b.ask("call 1"), "a1");
    assert_eq!((first.answer().as_str(), a.runs(), b.runs()), ("a1", 1, 0));
}

#[test]
fn s4_a_leader_that_nobody_polls_blocks_another_process_for_the_lease_at_most() {
    let crew = Crew::of(shared(), &[("CACHE_LEASE", "1")]);
    let [a, b] = crew.workers(["a", "b"]);
    a.ask("hold");
    a.ask("stick 1");
    let started = Instant::now();
    assert_eq!(b.ask("call 1"), "b1");
    let took = started.elapsed();
    assert!((500..1800).contains(&took.as_millis()), "{took:?}");
    // G3: when it is polled again, its older value is given to its caller and to nobody else.
    a.ask("release");
    assert_eq!(a.ask("poll"), "a1");
    assert_eq!((a.ask("call 1"), b.ask("call 1")), ("b1".into(), "b1".into()));
    assert_eq!(crew.worker("c").ask("call 1"), "b1");
}

/// How long the second process waits after `end` has been done to the load of the first.
fn freed_after(end: impl FnOnce(&Worker, crate::worker::Asked<'_>)) -> Duration {
    let crew = Crew::of(shared(), &[]);
    let [a, b] = crew.workers(["a", "b"]);
    a.ask("hold");
    let first = a.say("call 1");
    a.until("load item:1");
    let second = b.say("call 1");
    crew.until_awaited("item:1");
    let started = Instant::now();
    end(&a, first);
    b.until("load item:1");
    let took = started.elapsed();
    assert_eq!((second.answer().as_str(), a.runs()), ("b1", 1));
    took
}

/// Far below the lease, which is ten seconds; with room for a busy machine.
const AT_ONCE: Duration = Duration::from_millis(1000);

#[test]
fn s3_a_dropped_leader_frees_other_processes_at_once() {
    let took = freed_after(|_, first| first.drop());
    assert!(took < AT_ONCE, "{took:?}");
}

#[test]
fn s5_a_panic_frees_other_processes_at_once() {
    let took = freed_after(|a, first| {
        a.ask("end panic");
        a.ask("release");
        assert_eq!(first.answer(), "panic");
    });
    assert!(took < AT_ONCE, "{took:?}");
}

#[test]
fn s7_an_error_frees_other_processes_at_once() {
    let took = freed_after(|a, first| {
        a.ask("end fail");
        a.ask("release");
        assert_eq!(first.answer(), "error 1");
    });
    assert!(took < AT_ONCE, "{took:?}");
}

#[test]
fn s7_after_an_error_the_key_is_not_in_redis() {
    let crew = Crew::of(shared(), &[]);
    let [a, b] = crew.workers(["a", "b"]);
    a.ask("end fail");
    assert_eq!(a.ask("call 1"), "error 1");
    assert_eq!(crew.redis(&["EXISTS", &crew.key("item:1")]), "0");
    a.ask("end value");
    assert_eq!((a.ask("call 1"), b.ask("call 1")), ("a2".into(), "a2".into()));
}

#[test]
fn s5_after_a_panic_nothing_is_left_in_redis() {
    let crew = Crew::of(shared(), &[]);
    let a = crew.worker("a");
    a.ask("end panic");
    assert_eq!(a.ask("call 1"), "panic");
    until("the claim is given back", || {
        crew.redis(&["EXISTS", &crew.key("item:1")]) == "0"
    });
    a.ask("end value");
    assert_eq!(a.ask("call 1"), "a2");
}
