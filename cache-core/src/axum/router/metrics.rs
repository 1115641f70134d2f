//! Counters in the text format of Prometheus, version 0.0.4.
//! Invariant: a label is the path of a function or the name of a tier, so that there are as many series as functions,
//! however many keys there are.

use std::fmt::Write;

use crate::manager::{Health, HealthStatus};
use crate::{FunctionStats, Stats};

/// What stands for the function where a manager was called directly.
const DIRECT: &str = "(manager)";

/// How one counter is taken from what was counted.
type Take = fn(&FunctionStats) -> f64;

/// A counter of functions: its name, what it says, and the tiers that it is of, each with what it takes.
type Counter = (&'static str, &'static str, &'static [(&'static str, Take)]);

const COUNTERS: [Counter; 10] = [
    (
        "cache_hits_total",
        "Calls served from a tier.",
        &[
            ("memory", |stats| stats.memory_hits as f64),
            ("redis", |stats| stats.redis_hits as f64),
        ],
    ),
    (
        "cache_misses_total",
        "Calls that found nothing fresh.",
        &[("", |stats| stats.misses as f64)],
    ),
    (
        "cache_loads_total",
        "Runs of the function.",
        &[("", |stats| stats.loads as f64)],
    ),
    (
        "cache_load_seconds_total",
        "Time spent in runs of the function.",
        &[("", |stats| stats.load_time.as_secs_f64())],
    ),
    (
        "cache_coalesced_total",
        "Calls that shared the run of another call.",
        &[("", |stats| stats.coalesced as f64)],
    ),
    (
        "cache_stale_served_total",
        "Calls served a value past its TTL.",
        &[("", |stats| stats.stale_served as f64)],
    ),
    (
        "cache_evictions_total",
        "Entries that made room for others.",
        &[("", |stats| stats.evictions as f64)],
    ),
    (
        "cache_invalidations_total",
        "Invalidations that were made.",
        &[("", |stats| stats.invalidations as f64)],
    ),
    (
        "cache_errors_total",
        "Runs that failed, and values that could not be written or read.",
        &[("", |stats| stats.errors as f64)],
    ),
    (
        "cache_bytes_total",
        "Bytes of encoded values written and read.",
        &[("", |stats| stats.bytes as f64)],
    ),
];

/// The whole exposition.
pub(super) fn text(stats: &Stats, health: &Health) -> String {
    let direct = direct(stats);
    let rows: Vec<(&str, &FunctionStats)> = stats
        .functions
        .iter()
        .map(|(path, counted)| (path.as_str(), counted))
        .chain([(DIRECT, &direct)])
        .collect();
    let mut out = String::new();
    for (name, help, taken) in COUNTERS {
        head(&mut out, name, help, "counter");
        for (function, counted) in &rows {
            for (tier, take) in taken {
                let function = escaped(function);
                let tier = if tier.is_empty() {
                    String::new()
                } else {
                    format!(",tier=\"{tier}\"")
                };
                line(
                    &mut out,
                    name,
                    &format!("{{function=\"{function}\"{tier}}}"),
                    take(counted),
                );
            }
        }
    }
    gauges(&mut out, health);
    out
}

fn gauges(out: &mut String, health: &Health) {
    let flag = |on: bool| f64::from(u8::from(on));
    let mut gauge = |name: &str, help: &str, value: f64| {
        head(out, name, help, "gauge");
        line(out, name, "", value);
    };
    gauge(
        "cache_healthy",
        "Whether all that is configured works.",
        flag(health.status == HealthStatus::Healthy),
    );
    gauge("cache_entries", "Entries in memory.", health.entries as f64);
    gauge(
        "cache_memory_bytes",
        "Estimated bytes of the entries in memory.",
        health.memory_bytes as f64,
    );
    gauge(
        "cache_loads_running",
        "Loads that run.",
        health.loads_running as f64,
    );
    gauge(
        "cache_pending_invalidations",
        "Invalidations that Redis has not taken yet.",
        health.pending_invalidations as f64,
    );
    if let Some(redis) = &health.redis {
        gauge(
            "cache_redis_connected",
            "Whether Redis can be used; 0 while the breaker is open.",
            flag(redis.connected),
        );
        gauge(
            "cache_redis_channel",
            "Whether invalidations of other processes are heard.",
            flag(redis.channel),
        );
        if let Some(latency) = redis.latency {
            gauge(
                "cache_redis_latency_seconds",
                "How long the last PING took.",
                latency.as_secs_f64(),
            );
        }
        let name = "cache_redis_channel_gaps_total";
        head(
            out,
            name,
            "Messages of other processes that were lost.",
            "counter",
        );
        line(out, name, "", redis.gaps as f64);
    }
}

/// What no function has counted.
fn direct(stats: &Stats) -> FunctionStats {
    let mut rest = stats.total;
    for counted in stats.functions.values() {
        rest.subtract(counted);
    }
    rest
}

fn head(out: &mut String, name: &str, help: &str, kind: &str) {
    // Writing to a text does not fail.
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn line(out: &mut String, name: &str, labels: &str, value: f64) {
    let _ = writeln!(out, "{name}{labels} {value}");
}

/// A path as the value of a label.
fn escaped(path: &str) -> String {
    path.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}
