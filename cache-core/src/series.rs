//! What a manager has counted, as series with names and labels, for those who carry them elsewhere: `/metrics` as text, and the
//! facade `metrics`. Invariant: a label is the path of a function, the template of its key, or the name of a tier, so
//! that there are as many series as functions, however many keys there are.

use std::collections::BTreeMap;

use crate::catalogue::catalogue;
use crate::manager::{Health, HealthStatus};
use crate::{FunctionStats, Stats};

/// What stands for the function where a manager was called directly.
const DIRECT: &str = "(manager)";

/// How one series is taken from what was counted.
type Take = fn(&FunctionStats) -> u64;

/// A counter of functions.
pub(crate) struct Counter {
    pub(crate) name: &'static str,
    pub(crate) help: &'static str,
    /// The tiers that it is of, each with what it takes; one without a name where it is of none.
    pub(crate) tiers: &'static [(&'static str, Take)],
}

pub(crate) const COUNTERS: [Counter; 9] = [
    Counter {
        name: "cache_hits_total",
        help: "Calls served from a tier.",
        tiers: &[
            ("memory", |stats| stats.memory_hits),
            ("redis", |stats| stats.redis_hits),
        ],
    },
    Counter {
        name: "cache_misses_total",
        help: "Calls that found nothing fresh.",
        tiers: &[("", |stats| stats.misses)],
    },
    Counter {
        name: "cache_loads_total",
        help: "Runs of the function.",
        tiers: &[("", |stats| stats.loads)],
    },
    Counter {
        name: "cache_coalesced_total",
        help: "Calls that shared the run of another call.",
        tiers: &[("", |stats| stats.coalesced)],
    },
    Counter {
        name: "cache_stale_served_total",
        help: "Calls served a value past its TTL.",
        tiers: &[("", |stats| stats.stale_served)],
    },
    Counter {
        name: "cache_evictions_total",
        help: "Entries that made room for others.",
        tiers: &[("", |stats| stats.evictions)],
    },
    Counter {
        name: "cache_invalidations_total",
        help: "Invalidations that were made.",
        tiers: &[("", |stats| stats.invalidations)],
    },
    Counter {
        name: "cache_errors_total",
        help: "Runs that failed, and values that could not be written or read.",
        tiers: &[("", |stats| stats.errors)],
    },
    Counter {
        name: "cache_bytes_total",
        help: "Bytes of encoded values written and read.",
        tiers: &[("", |stats| stats.bytes)],
    },
];

/// The histogram of functions.
pub(crate) const LOAD_SECONDS: (&str, &str) = ("cache_load_seconds", "Time that runs of the function took.");

/// Something about the cache as a whole. What is not known has no value.
pub(crate) struct Gauge {
    pub(crate) name: &'static str,
    pub(crate) help: &'static str,
    pub(crate) take: fn(&Health) -> Option<f64>,
}

fn flag(on: bool) -> f64 {
    f64::from(u8::from(on))
}

pub(crate) const GAUGES: [Gauge; 8] = [
    Gauge {
        name: "cache_healthy",
        help: "Whether all that is configured works.",
        take: |health| Some(flag(health.status == HealthStatus::Healthy)),
    },
    Gauge {
        name: "cache_entries",
        help: "Entries in memory.",
        take: |health| Some(health.entries as f64),
    },
    Gauge {
        name: "cache_memory_bytes",
        help: "Estimated bytes of the entries in memory.",
        take: |health| Some(health.memory_bytes as f64),
    },
    Gauge {
        name: "cache_loads_running",
        help: "Loads that run.",
        take: |health| Some(health.loads_running as f64),
    },
    Gauge {
        name: "cache_pending_invalidations",
        help: "Invalidations that Redis has not taken yet.",
        take: |health| Some(health.pending_invalidations as f64),
    },
    Gauge {
        name: "cache_redis_connected",
        help: "Whether Redis can be used; 0 while the breaker is open.",
        take: |health| health.redis.as_ref().map(|redis| flag(redis.connected)),
    },
    Gauge {
        name: "cache_redis_channel",
        help: "Whether invalidations of other processes are heard.",
        take: |health| health.redis.as_ref().map(|redis| flag(redis.channel)),
    },
    Gauge {
        name: "cache_redis_latency_seconds",
        help: "How long the last PING took.",
        take: |health| Some(health.redis.as_ref()?.latency?.as_secs_f64()),
    },
];

/// The counter of the cache as a whole.
pub(crate) const GAPS: (&str, &str) = (
    "cache_redis_channel_gaps_total",
    "Messages of other processes that were lost.",
);

/// What is told of one function.
pub(crate) struct Row {
    pub(crate) function: String,
    /// The template of its keys; empty for calls on the manager, and for what only invalidates.
    pub(crate) template: String,
    pub(crate) stats: FunctionStats,
}

/// The rows of all functions. Those that were not called yet are there too, so that a series begins at zero.
pub(crate) fn rows(mut stats: Stats) -> Vec<Row> {
    let mut direct = stats.total;
    for counted in stats.functions.values() {
        direct.subtract(counted);
    }
    let mut templates: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for row in catalogue().cached() {
        let of_path = templates.entry(row.path()).or_default();
        // Functions in bodies can have one path.
        if !of_path.contains(&row.template()) {
            of_path.push(row.template());
        }
        stats.functions.entry(row.path().to_owned()).or_default();
    }
    let row = |(function, stats): (String, FunctionStats)| Row {
        template: templates
            .get(function.as_str())
            .map(|of_path| of_path.join(", "))
            .unwrap_or_default(),
        function,
        stats,
    };
    let mut rows: Vec<Row> = stats.functions.into_iter().map(row).collect();
    rows.push(row((DIRECT.to_owned(), direct)));
    rows
}
