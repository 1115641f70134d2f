//! The run: each fault in turn, its recovery, and the table of what was counted.

use std::time::{Duration, Instant};

use crate::faults::{FAULTS, Fault};
use crate::row::Row;
use crate::scene::Scene;
use crate::truth::WRITERS;

/// While all is well: how long a process may be behind another, on a machine that does other things as well.
const HEALTHY: Duration = Duration::from_secs(1);
/// While it is not: `CACHE_DEGRADED_TTL`, the time to notice, and what a busy machine takes. It is below `CACHE_MEMORY_TTL`,
/// which would hide that nothing was noticed.
const DEGRADED: Duration = Duration::from_millis(2500);
/// After it: `CACHE_MEMORY_TTL` and a second.
const CONVERGED: Duration = Duration::from_secs(4);
/// How long it may take until all are well again.
const RECOVERED: Duration = Duration::from_secs(10);

/// What is told of a fault beside the counts.
struct Outcome {
    name: &'static str,
    row: Row,
    /// Until each process had found something in Redis after the fault had ended.
    first_hit: Option<Duration>,
    lost: usize,
}

/// Plays all faults whose names contain the text, in about so many seconds. Gives whether nothing was wrong.
pub(crate) fn all(seconds: u64, only: &str, verbose: bool) -> bool {
    let faults: Vec<&Fault> = FAULTS.iter().filter(|fault| fault.name.contains(only)).collect();
    // Half a second of each goes into starting and recovering.
    let each = Duration::from_secs(seconds) / faults.len().max(1) as u32;
    let lasts = (each * 6 / 10).min(Duration::from_secs(10));
    let lead = each.saturating_sub(lasts) / 2;
    let scene = Scene::new(verbose);
    (0..WRITERS).for_each(|writer| scene.start_worker(writer));
    let mut outcomes = Vec::new();
    for (number, fault) in faults.into_iter().enumerate() {
        eprintln!("{}", fault.name);
        outcomes.push(one(&scene, number, fault, lead, lasts));
    }
    for (number, outcome) in outcomes.iter_mut().enumerate() {
        outcome.row = scene.row(number);
    }
    print(&outcomes);
    outcomes
        .iter()
        .all(|it| it.lost == 0 && it.row.wrong + it.row.failed + it.row.panics == 0)
}

fn stage(scene: &Scene, row: usize, told: Duration, made: Duration) {
    scene.ask(
        &format!("stage {row} {} {}", told.as_millis(), made.as_millis()),
        "staged",
    );
}

fn one(scene: &Scene, number: usize, fault: &Fault, lead: Duration, lasts: Duration) -> Outcome {
    stage(scene, number, HEALTHY, Duration::ZERO);
    std::thread::sleep(lead);
    let made = if fault.for_all { DEGRADED } else { Duration::ZERO };
    stage(scene, number, DEGRADED, made);
    (fault.begin)(scene);
    let pause = (lasts / 3).min(Duration::from_secs(2));
    let began = Instant::now();
    while began.elapsed() + pause / 2 < lasts {
        (fault.again)(scene);
        std::thread::sleep(pause.min(lasts.saturating_sub(began.elapsed())));
    }
    // From here on what has not been told can be read from Redis.
    stage(scene, number, DEGRADED, Duration::ZERO);
    (fault.end)(scene);
    scene.tell("heal");
    let mut lost = 0;
    if !within(RECOVERED, || are_well(scene)) {
        eprintln!("not well again: {:?}", scene.ask("health", "health"));
        lost += 1;
    }
    scene.ask("mark", "marked");
    let mut old = Vec::new();
    within(CONVERGED, || {
        old = scene.ask("check", "checked");
        old.iter().all(|answer| answer.starts_with("0"))
    });
    for answer in &old {
        let (count, list) = answer.split_once(' ').unwrap_or((answer, ""));
        lost += count.parse::<usize>().expect("a count");
        if !list.is_empty() {
            eprintln!("lost: {list}");
        }
    }
    let mut hits = vec![None; WRITERS];
    within(RECOVERED, || {
        for (hit, heard) in hits.iter_mut().zip(scene.heard("hit")) {
            *hit = hit.take().or(heard);
        }
        hits.iter().all(Option::is_some)
    });
    let hits: Option<Vec<u64>> = hits.into_iter().map(|hit| hit?.parse().ok()).collect();
    Outcome {
        name: fault.name,
        row: Row::default(),
        first_hit: hits
            .and_then(|hits| hits.into_iter().max())
            .map(Duration::from_millis),
        lost,
    }
}

fn are_well(scene: &Scene) -> bool {
    scene
        .ask("health", "health")
        .iter()
        .all(|answer| answer.starts_with("well"))
}

/// Looks until it is so, for `limit` at most.
fn within(limit: Duration, mut is_so: impl FnMut() -> bool) -> bool {
    let started = Instant::now();
    loop {
        if is_so() {
            return true;
        }
        if started.elapsed() > limit {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn print(outcomes: &[Outcome]) {
    println!(
        "| fault | calls | changes | wrong values | failed calls | panics | invalidations lost | longest call | slower than 5 ms | first Redis hit after |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
    for Outcome {
        name,
        row,
        first_hit,
        lost,
    } in outcomes
    {
        let hit = first_hit.map_or("never".to_owned(), |time| format!("{} ms", time.as_millis()));
        println!(
            "| {name} | {} | {} | {} | {} | {} | {lost} | {} ms | {} | {hit} |",
            row.calls,
            row.changes,
            row.wrong,
            row.failed,
            row.panics,
            row.longest / 1000,
            row.slow,
        );
    }
    // The first of all is none.
    if let Some(Outcome { row, .. }) = outcomes.iter().find(|outcome| outcome.name == FAULTS[0].name) {
        println!(
            "\nWithout a fault, {} of {} values were older than what the other process had invalidated: half of them for less \
             than {:?}, 99 % for less than {:?}.",
            row.all_behind(),
            row.calls,
            row.behind_by(0.5),
            row.behind_by(0.99),
        );
    }
}
