//! Series in the text format of Prometheus, version 0.0.4. Which they are is said in `series`.

use std::fmt::Write;

use crate::Stats;
use crate::manager::Health;
use crate::series::{COUNTERS, GAPS, GAUGES, LOAD_SECONDS, Row, rows};
use crate::stats::times::BOUNDS;

/// The whole exposition.
pub(super) fn text(stats: Stats, health: &Health) -> String {
    let rows: Vec<(String, Row)> = rows(stats).into_iter().map(|row| (labels(&row), row)).collect();
    let mut out = String::new();
    for counter in &COUNTERS {
        head(&mut out, counter.name, counter.help, "counter");
        for (labels, row) in &rows {
            for (tier, take) in counter.tiers {
                let tier = match *tier {
                    "" => String::new(),
                    tier => format!(",tier=\"{tier}\""),
                };
                let value = take(&row.stats);
                line(
                    &mut out,
                    counter.name,
                    &format!("{{{labels}{tier}}}"),
                    value as f64,
                );
            }
        }
    }
    let (name, help) = LOAD_SECONDS;
    head(&mut out, name, help, "histogram");
    for (labels, row) in &rows {
        times(&mut out, name, labels, row);
    }
    for gauge in &GAUGES {
        if let Some(value) = (gauge.take)(health) {
            head(&mut out, gauge.name, gauge.help, "gauge");
            line(&mut out, gauge.name, "", value);
        }
    }
    if let Some(redis) = &health.redis {
        let (name, help) = GAPS;
        head(&mut out, name, help, "counter");
        line(&mut out, name, "", redis.gaps as f64);
    }
    out
}

fn times(out: &mut String, name: &str, labels: &str, row: &Row) {
    let bounds = BOUNDS.iter().map(|bound| (*bound as f64 / 1e6).to_string());
    let (mut loads, mut micros) = (0, 0);
    for (bound, class) in bounds.chain(["+Inf".to_owned()]).zip(row.stats.load_times) {
        loads += class.loads;
        micros += class.micros;
        let labels = format!("{{{labels},le=\"{bound}\"}}");
        line(out, &format!("{name}_bucket"), &labels, loads as f64);
    }
    let labels = format!("{{{labels}}}");
    line(out, &format!("{name}_sum"), &labels, micros as f64 / 1e6);
    line(out, &format!("{name}_count"), &labels, loads as f64);
}

fn labels(row: &Row) -> String {
    let function = escaped(&row.function);
    let template = escaped(&row.template);
    format!("function=\"{function}\",template=\"{template}\"")
}

fn head(out: &mut String, name: &str, help: &str, kind: &str) {
    // Writing to a text does not fail.
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn line(out: &mut String, name: &str, labels: &str, value: f64) {
    let _ = writeln!(out, "{name}{labels} {value}");
}

/// A text as the value of a label.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}
