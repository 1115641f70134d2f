//! What a hit in memory costs.
//!
//! The floor is what no cache can go below: one probe of a map without locks by a borrowed key, and a clone of
//! the value. Every candidate is an `async fn` of `(u64, &str)`, or of `(u64, String)` where its attribute
//! takes nothing borrowed; then the caller's `to_owned` counts, as its user pays for it too.

mod arc;
mod row;
mod small;

use crate::table::{Clock, compare};
use crate::{Options, instructions};
use row::{FLOOR, Row};

/// Prints the tables of `hit`, or those of the value named by its argument.
pub fn run(options: &Options) {
    for value in VALUES {
        if options.word(1).is_none_or(|it| it == value.word) {
            value.tables(options);
        }
    }
}

/// Runs each candidate of the value named by the argument for callgrind, which this program runs under.
pub fn instructions(options: &Options) {
    for value in VALUES {
        if options.word(1) == Some(value.word) {
            instructions::run((value.rows)().into_iter().map(|row| row.alone));
        }
    }
}

struct ValueType {
    word: &'static str,
    name: &'static str,
    rows: fn() -> Vec<Row>,
    check: fn(),
}

const VALUES: [ValueType; 2] = [
    ValueType {
        word: "small",
        name: "small struct",
        rows: small::rows,
        check: small::check,
    },
    ValueType {
        word: "arc",
        name: "`Arc` of 64 structs",
        rows: arc::rows,
        check: arc::check,
    },
];

impl ValueType {
    fn tables(&self, options: &Options) {
        let counted = instructions::count(&["hit-instructions", self.word]);
        let (alone, together): (Vec<_>, Vec<_>) = (self.rows)()
            .into_iter()
            .map(|row| (row.alone, row.together))
            .unzip();
        let title = format!("Hit in memory, {}: 1 task, 256 keys", self.name);
        compare(
            &title,
            &Clock::Thread(counted),
            options.effort(25, 6),
            FLOOR,
            alone,
        );
        let title = format!(
            "Hit in memory, {}: 64 tasks on 2 threads, Zipf(0.99) over 10,000 keys",
            self.name
        );
        compare(&title, &Clock::Wall, options.effort(25, 12), FLOOR, together);
        (self.check)();
    }
}
