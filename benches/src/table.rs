//! Measures candidates side by side and prints a Markdown table.
//!
//! Each round runs every candidate once, for a slice of time, and each round begins with another one. A
//! disturbance of the machine thus meets all of them, and medians leave it out.

use std::time::{Duration, Instant};

use crate::instructions::Counted;
use crate::measure::{Instructions, process_cpu, start_counting, stop_counting, thread_cpu};

/// Something that is measured.
pub struct Candidate<'a> {
    name: String,
    /// Runs so many times, in each of the tasks.
    run: Box<dyn FnMut(u64) + 'a>,
    tasks: u64,
}

impl<'a> Candidate<'a> {
    /// `run(n)` does the operation `n` times in each of `tasks` tasks.
    pub fn new(name: impl Into<String>, tasks: u64, run: impl FnMut(u64) + 'a) -> Self {
        Self {
            name: name.into(),
            run: Box::new(run),
            tasks,
        }
    }

    /// How it is called in the table.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Does the operation so many times in each of its tasks.
    pub fn run(&mut self, count: u64) {
        (self.run)(count);
    }
}

/// What the numbers of a table are.
pub enum Clock {
    /// CPU time of the one thread that everything happens on, and its instructions; where the processor counts
    /// none, those that were counted beforehand.
    Thread(Counted),
    /// Time on the wall, and the CPU time of all threads of this process.
    Wall,
}

/// How long to measure.
#[derive(Clone, Copy)]
pub struct Effort {
    pub rounds: usize,
    pub slice: Duration,
}

impl Clock {
    fn is_thread(&self) -> bool {
        matches!(self, Self::Thread(_))
    }
}

struct Sample {
    nanos: f64,
    cpu: f64,
    instructions: f64,
}

struct Row {
    name: String,
    samples: Vec<Sample>,
    allocations: f64,
    bytes: f64,
}

/// Measures the candidates and prints them; ratios are to the candidate named `reference`.
pub fn compare(
    title: &str,
    clock: &Clock,
    effort: Effort,
    reference: &str,
    mut candidates: Vec<Candidate<'_>>,
) {
    let counter = if clock.is_thread() {
        Instructions::open()
    } else {
        None
    };
    let counts: Vec<u64> = candidates
        .iter_mut()
        .map(|it| calibrate(it, effort.slice))
        .collect();
    let mut rows: Vec<Row> = candidates
        .iter_mut()
        .zip(&counts)
        .map(|(candidate, count)| {
            let operations = (count * candidate.tasks) as f64;
            start_counting();
            candidate.run(*count);
            let (allocations, bytes) = stop_counting();
            Row {
                name: candidate.name.clone(),
                samples: Vec::with_capacity(effort.rounds),
                allocations: allocations as f64 / operations,
                bytes: bytes as f64 / operations,
            }
        })
        .collect();
    for round in 0..effort.rounds {
        for step in 0..candidates.len() {
            let at = (round + step) % candidates.len();
            rows[at]
                .samples
                .push(sample(&mut candidates[at], counts[at], clock, counter.as_ref()));
        }
    }
    print(title, clock, effort, reference, &rows);
}

/// How many runs fill the slice.
fn calibrate(candidate: &mut Candidate<'_>, slice: Duration) -> u64 {
    // The first one starts threads and fills tables.
    candidate.run(64);
    let mut count = 1;
    loop {
        let start = Instant::now();
        candidate.run(count);
        let took = start.elapsed();
        if took * 2 >= slice {
            let scale = slice.as_secs_f64() / took.as_secs_f64().max(1e-9);
            return ((count as f64 * scale) as u64).max(1);
        }
        count *= 2;
    }
}

fn sample(
    candidate: &mut Candidate<'_>,
    count: u64,
    clock: &Clock,
    counter: Option<&Instructions>,
) -> Sample {
    let operations = (count * candidate.tasks) as f64;
    let cpu = || {
        if clock.is_thread() {
            thread_cpu()
        } else {
            process_cpu()
        }
    };
    let instructions = counter.map_or(0, Instructions::read);
    let (wall, before) = (Instant::now(), cpu());
    candidate.run(count);
    let (after, wall) = (cpu(), wall.elapsed());
    let instructions = counter.map_or(0, Instructions::read) - instructions;
    let cpu = (after - before).as_nanos() as f64 / operations;
    Sample {
        nanos: if clock.is_thread() {
            cpu
        } else {
            wall.as_nanos() as f64 / operations
        },
        cpu,
        instructions: instructions as f64 / operations,
    }
}

fn print(title: &str, clock: &Clock, effort: Effort, reference: &str, rows: &[Row]) {
    let Some(base) = rows.iter().find(|row| row.name == reference) else {
        panic!("`{reference}` is not among the candidates of `{title}`");
    };
    println!("\n#### {title}\n");
    println!(
        "Ratios are to \"{reference}\"; medians of {} interleaved rounds.\n",
        effort.rounds
    );
    match clock {
        Clock::Thread(_) => {
            println!(
                "| candidate | instr ratio | instr/op | allocs/op | bytes/op | time ratio | ns/op | p25–p75 |"
            );
            println!("|---|--:|--:|--:|--:|--:|--:|--:|");
        }
        Clock::Wall => {
            println!("| candidate | CPU ratio | CPU ns/op | allocs/op | wall ratio | wall ns/op | p25–p75 |");
            println!("|---|--:|--:|--:|--:|--:|--:|");
        }
    }
    for row in rows {
        let median = |field: fn(&Sample) -> f64| quantile(row.samples.iter().map(field), 0.5);
        // Round by round, so that a slow stretch of the machine is on both sides of the ratio.
        let ratio = |field: fn(&Sample) -> f64| {
            let pairs = row.samples.iter().zip(&base.samples);
            quantile(pairs.map(|(own, base)| field(own) / field(base)), 0.5)
        };
        let nanos: fn(&Sample) -> f64 = |it| it.nanos;
        let [low, middle, high] = [0.25, 0.5, 0.75].map(|q| nice(quantile(row.samples.iter().map(nanos), q)));
        let (name, allocations, bytes) = (&row.name, row.allocations, row.bytes);
        match clock {
            Clock::Thread(counted) => {
                let instructions =
                    |row: &Row| match quantile(row.samples.iter().map(|it| it.instructions), 0.5) {
                        0.0 => counted.get(&row.name),
                        count => Some(count),
                    };
                let (own, of_base) = (instructions(row), instructions(base));
                let ratio_text = own
                    .zip(of_base)
                    .map_or("?".to_owned(), |(own, base)| format!("{:.2}", own / base));
                let instructions = own.map_or("?".to_owned(), nice);
                let time = ratio(nanos);
                println!(
                    "| {name} | {ratio_text} | {instructions} | {allocations:.2} | {bytes:.0} | {time:.2} | \
                     {middle} | {low}–{high} |"
                );
            }
            Clock::Wall => {
                let (cpu, cpu_ratio, wall) = (nice(median(|it| it.cpu)), ratio(|it| it.cpu), ratio(nanos));
                println!(
                    "| {name} | {cpu_ratio:.2} | {cpu} | {allocations:.2} | {wall:.2} | {middle} | {low}–{high} |"
                );
            }
        }
    }
}

/// The value below which this part of them lies.
pub fn quantile(values: impl Iterator<Item = f64>, part: f64) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * part).round() as usize]
}

/// Three digits are all that is known.
fn nice(value: f64) -> String {
    if value < 100.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.0}")
    }
}
