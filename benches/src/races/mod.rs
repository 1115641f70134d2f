//! What callers get when things happen at the same time: an invalidation and a load, a load and the end of its caller,
//! a failure and those who wait, many callers and one key.
//!
//! Each library is used as its documentation says, with what it offers against these races. A race that is about luck
//! runs many times, the others once; nothing here waits without a deadline.

mod cached;
mod callers;
mod hitbox;
mod moka;
#[cfg(feature = "ours")]
mod ours;
mod processes;
mod source;
mod trials;

use std::future::Future;
use std::sync::OnceLock;

use tokio::runtime::{Builder, Runtime};

use crate::Options;

/// Where Redis is, in the processes that share one.
static REDIS: OnceLock<String> = OnceLock::new();

/// A library: functions of an id that it caches. Each of them loads from [`source::source`].
trait Library {
    /// How its column is called.
    const NAME: &'static str;

    /// What of it is used, in Markdown.
    const USE: &'static str;

    /// Comes before all calls.
    fn prepare() -> impl Future<Output = ()> + Send {
        async {}
    }

    /// The value, by way of memory.
    fn read(id: u64) -> impl Future<Output = u64> + Send + 'static;

    /// Changes the source of [`read`](Self::read), then invalidates what is cached of it.
    fn change(id: u64) -> impl Future<Output = ()> + Send;

    /// A call of a function whose loader fails with [`source::Cloneable`].
    fn fail_cloneable(id: u64) -> impl Future<Output = ()> + Send + 'static;

    /// A call of a function whose loader fails with [`source::Unique`].
    fn fail_unique(id: u64) -> impl Future<Output = ()> + Send + 'static;

    /// The value, by way of Redis.
    fn shared(id: u64) -> impl Future<Output = u64> + Send + 'static;
}

struct Column {
    name: &'static str,
    used: &'static str,
    trials: fn(&Runtime, usize) -> [String; trials::ROWS.len()],
    process: fn(&str),
}

impl Column {
    fn of<L: Library>() -> Self {
        Self {
            name: L::NAME,
            used: L::USE,
            trials: |runtime, trials| {
                runtime.block_on(async {
                    L::prepare().await;
                    trials::all::<L>(trials).await
                })
            },
            process: processes::run::<L>,
        }
    }
}

fn columns() -> Vec<Column> {
    vec![
        #[cfg(feature = "ours")]
        Column::of::<ours::Ours>(),
        Column::of::<cached::ByKey>(),
        Column::of::<hitbox::Broadcast>(),
        Column::of::<moka::ByHand>(),
    ]
}

fn runtime() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime")
}

/// Prints the table.
pub fn run(options: &Options) {
    let (columns, trials) = (columns(), options.effort(20, 0).rounds);
    let mut cells = Vec::new();
    for column in &columns {
        let runtime = runtime();
        let mut of_library: Vec<_> = (column.trials)(&runtime, trials).into();
        // What hangs is left behind.
        runtime.shutdown_background();
        of_library.push(processes::race(column.name));
        cells.push(of_library);
    }
    println!(
        "\n#### Races: a load of {} ms, 2 threads\n",
        source::LOAD.as_millis()
    );
    for column in &columns {
        println!("- {}: {}", column.name, column.used);
    }
    println!("\nRuns are all runs of the loader for that key, those that were dropped too.\n");
    let names: Vec<_> = columns.iter().map(|it| it.name).collect();
    println!("| race | {} |", names.join(" | "));
    println!("|---|{}", "---|".repeat(names.len()));
    for (at, row) in trials::ROWS.iter().chain([&processes::ROW]).enumerate() {
        let row_cells: Vec<_> = cells.iter().map(|it| it[at].as_str()).collect();
        println!("| {row} | {} |", row_cells.join(" | "));
    }
}

/// Is one of the processes that share a Redis.
pub fn process(options: &Options) {
    let (Some(name), Some(url)) = (options.word(1), options.word(2)) else {
        panic!("usage: races-process LIBRARY URL")
    };
    let column = columns().into_iter().find(|it| it.name == name);
    (column.expect("a library of this name").process)(url);
}
