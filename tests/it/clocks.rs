//! Processes whose wall clocks differ (contract, section 7: G6). The clock of a worker is moved by `tests::Clock`.

#![cfg(target_os = "linux")]

use std::time::Instant;

use tests::{Clock, shared};

use crate::worker::{Crew, Worker, until};

const DAY: i64 = 86_400;

/// A process that lives by this clock.
fn worker(clock: &Clock, crew: &Crew<'_>, name: &str) -> Worker {
    let [(preload, library), (shift, file)] = clock.variables();
    let variables = [
        (preload, library.to_str().expect("text")),
        (shift, file.to_str().expect("text")),
    ];
    crew.worker_with(name, &variables)
}

fn seconds(text: &str) -> i64 {
    let millis: i64 = text.parse().expect("milliseconds");
    millis / 1000
}

#[test]
fn g6_a_process_whose_clock_is_a_day_off_shares_entries_for_their_ttl() {
    for shift in [-DAY, DAY] {
        let crew = Crew::of(shared(), &[]);
        let clock = Clock::new(shift);
        let (off, right) = (worker(&clock, &crew, "off"), crew.worker("right"));
        let now: i64 = off.ask("wall").parse().expect("a number");
        let ours: i64 = right.ask("wall").parse().expect("a number");
        assert!(
            (now - ours - shift).abs() < 100,
            "the clock is moved: {now} {ours}"
        );

        for (writer, reader, id) in [(&off, &right, 1), (&right, &off, 2)] {
            let call = format!("call {id}");
            let value = writer.ask(&call);
            assert_eq!(reader.ask(&call), value);
            let left = seconds(&reader.ask(&format!("ttl item:{id}")));
            assert!((3590..=3600).contains(&left), "{left}");
        }
        // What is over is over.
        for (writer, reader, id) in [(&off, &right, 3), (&right, &off, 4)] {
            writer.ask(&format!("fetch doc:{id} ttl=100"));
            until("the value is past its TTL", || {
                reader.ask(&format!("get doc:{id}")) == "nothing"
            });
        }
        assert_eq!((off.runs(), right.runs()), (2, 2));
    }
}

#[test]
fn g6_the_newer_load_stays_whatever_the_clocks_say() {
    for shift in [-DAY, DAY] {
        let crew = Crew::of(shared(), &[]);
        let clock = Clock::new(shift);
        let (off, right) = (worker(&clock, &crew, "off"), crew.worker("right"));
        for (older, newer, id) in [(&off, &right, 1), (&right, &off, 2)] {
            older.ask("hold");
            let first = older.say(&format!("call {id}"));
            older.until(&format!("load item:{id}"));
            let value = newer.ask(&format!("refresh {id}"));
            older.ask("go");
            older.ask("release");
            assert_ne!(first.answer(), value);
            for worker in [&off, &right, &crew.worker("third")] {
                assert_eq!(worker.ask(&format!("call {id}")), value, "{shift}");
            }
            // And an invalidation beats the load before it.
            older.ask("hold");
            let first = older.say(&format!("refresh {id}"));
            older.until(&format!("load item:{id}"));
            newer.ask(&format!("one {id}"));
            older.ask("go");
            older.ask("release");
            let value = first.answer();
            for worker in [&off, &right] {
                assert_ne!(worker.ask(&format!("get item:{id}")), value, "{shift}");
            }
        }
    }
}

#[test]
fn g6_a_lease_is_as_long_as_it_is_whatever_the_clocks_say() {
    for shift in [-DAY, DAY] {
        let crew = Crew::of(shared(), &[("CACHE_LEASE", "500ms")]);
        let clock = Clock::new(shift);
        let (off, right) = (worker(&clock, &crew, "off"), crew.worker("right"));
        off.ask("hold");
        off.ask("stick 1");
        let started = Instant::now();
        assert_eq!(right.ask("call 1"), "right1");
        let took = started.elapsed();
        assert!((300..1500).contains(&took.as_millis()), "{shift}: {took:?}");
    }
}

/// A clock that is put right while the process runs, as by NTP.
#[test]
fn g6_a_clock_that_is_moved_while_the_process_runs_changes_nothing() {
    for shift in [-DAY, DAY] {
        let crew = Crew::of(shared(), &[]);
        let clock = Clock::new(0);
        let (off, right) = (worker(&clock, &crew, "off"), crew.worker("right"));
        let before = right.ask("call 1");
        clock.set(shift);
        assert_eq!(off.ask("call 1"), before, "{shift}: what is fresh is found");
        let after = off.ask("call 2");
        assert_eq!(right.ask("call 2"), after, "{shift}: what is written is fresh");
        let left = seconds(&right.ask("ttl item:2"));
        assert!((3590..=3600).contains(&left), "{shift}: {left}");
    }
}

#[test]
fn g6_nothing_in_redis_tells_the_time_of_a_machine() {
    let crew = Crew::of(shared(), &[]);
    let clock = Clock::new(-DAY);
    let off = worker(&clock, &crew, "off");
    off.ask("fetch doc:1 ttl=600000 tag=t");
    let server: f64 = crew
        .redis(&["TIME"])
        .lines()
        .next()
        .expect("seconds")
        .parse()
        .expect("a number");
    // Fresh until, served until, loaded at: by the clock of the server, give or take what the test takes.
    for (at, expected) in [(9, 600.0), (17, 600.0), (50, 0.0)] {
        let script = format!(
            "return tostring(struct.unpack('<I8', redis.call('GETRANGE', KEYS[1], {at}, {})))",
            at + 7
        );
        let millis: f64 = crew
            .redis(&["EVAL", &script, "1", &crew.key("doc:1")])
            .parse()
            .expect("a number");
        let seconds = millis / 1000.0 - server;
        assert!((seconds - expected).abs() < 10.0, "{at}: {seconds}");
    }
    let life = seconds(&crew.redis(&["PTTL", &crew.key("doc:1")]));
    assert!((590..=600).contains(&life), "{life}");
}
