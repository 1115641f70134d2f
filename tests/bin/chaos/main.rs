//! Two processes under load on a real Redis, while it is killed, stopped, cut off, emptied and refused: what the callers saw,
//! as a table. It ends with a failure when a value was wrong, a call failed or panicked, or an invalidation was lost.
//!
//! `chaos [--seconds N] [--only TEXT] [--verbose]`; the same program is the worker.

mod faults;
mod functions;
mod play;
mod row;
mod scene;
mod truth;
mod worker;

use std::process::ExitCode;

fn main() -> ExitCode {
    let (mut seconds, mut only, mut verbose) = (300, String::new(), false);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().unwrap_or_default();
        match argument.as_str() {
            "--worker" => {
                worker::run(value().parse().expect("the number of a writer"));
                return ExitCode::SUCCESS;
            }
            "--seconds" => seconds = value().parse().expect("a number of seconds"),
            "--only" => only = value(),
            "--verbose" => verbose = true,
            _ => {
                eprintln!(
                    "unknown argument `{argument}`; it takes `--seconds N`, `--only TEXT` and `--verbose`"
                );
                return ExitCode::FAILURE;
            }
        }
    }
    if play::all(seconds, &only, verbose) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
