//! What a manager counts, told to whatever recorder the facade [`metrics`](https://docs.rs/metrics) has.
//!
//! ```
//! use std::time::Duration;
//! use cache_core::CacheManager;
//! use cache_core::metrics::Bridge;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let cache = CacheManager::in_memory();
//! // Where a recorder pushes: ends when the cache is closed.
//! tokio::spawn(Bridge::new(&cache).every(Duration::from_secs(10)));
//!
//! // Where one is scraped: just before it answers.
//! let bridge = Bridge::new(&cache).label("cache", "sessions");
//! bridge.publish().await;
//! # }
//! ```
//!
//! | name | kind | labels |
//! |---|---|---|
//! | `cache_hits_total` | counter | `function`, `template`, `tier` |
//! | `cache_misses_total` `cache_loads_total` `cache_coalesced_total` `cache_stale_served_total` `cache_evictions_total` `cache_invalidations_total` `cache_errors_total` `cache_bytes_total` | counter | `function`, `template` |
//! | `cache_load_seconds` | histogram | `function`, `template` |
//! | `cache_healthy` `cache_entries` `cache_memory_bytes` `cache_loads_running` `cache_pending_invalidations` | gauge | |
//! | `cache_redis_connected` `cache_redis_channel` `cache_redis_latency_seconds` | gauge | |
//! | `cache_redis_channel_gaps_total` | counter | |
//!
//! They are the names and labels of `/metrics` of the feature `axum`: the path of a function and the template of its key. A
//! key is never a label, so there are as many series as functions. `(manager)` stands for calls on the manager itself.
//!
//! A hit does not call the facade, which would cost more than all the rest of it. It counts as always, and a bridge reads the counters.
//! So does a load: a bridge tells the times of loads in the classes of [`LOAD_BOUNDS`], each load with the mean of its class
//! since the last time. A histogram with these bounds, and its sum, are as if each load had been told.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ::metrics::{Label, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

use crate::series::{COUNTERS, GAPS, GAUGES, LOAD_SECONDS, Row, rows};
use crate::stats::times::{BOUNDS, Classes};
use crate::{CacheManager, Health};

/// The bounds of the classes of `cache_load_seconds`, in seconds: for the buckets of a recorder.
pub const LOAD_BOUNDS: [f64; BOUNDS.len()] = {
    let mut bounds = [0.0; BOUNDS.len()];
    let mut at = 0;
    while at < BOUNDS.len() {
        bounds[at] = BOUNDS[at] as f64 / 1e6;
        at += 1;
    }
    bounds
};

/// Tells a recorder what one manager has counted; see the [module](self). Several bridges to one recorder need labels that
/// tell them apart.
#[derive(Debug)]
pub struct Bridge {
    manager: CacheManager,
    labels: Vec<Label>,
    /// The loads that were told already, by function.
    told: Mutex<BTreeMap<String, Classes>>,
}

impl Bridge {
    /// A bridge from this manager to the recorder that is current when it publishes.
    pub fn new(manager: &CacheManager) -> Self {
        Self {
            manager: manager.clone(),
            labels: Vec::new(),
            told: Mutex::default(),
        }
    }

    /// A label of all series of this bridge: the name of the cache, where there are several.
    pub fn label(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.labels.push(Label::new(name, value.into()));
        self
    }

    /// Tells how things stand. It asks Redis for its latency, which takes no longer than the budget of a call.
    pub async fn publish(&self) {
        let health = self.manager.health().await;
        // The recorder may be another one than the last time.
        describe();
        // Of two who publish at once, neither tells a load that the other one tells too.
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        for row in rows(self.manager.stats()) {
            let before = told.entry(row.function.clone()).or_default();
            self.tell(&row, before);
        }
        drop(told);
        self.tell_health(&health);
    }

    /// Publishes again and again, until the manager is closed.
    pub async fn every(self, period: Duration) {
        while self.manager.core.is_on() {
            self.publish().await;
            tokio::time::sleep(period).await;
        }
        self.publish().await;
    }

    fn tell(&self, row: &Row, before: &mut Classes) {
        let mut labels = self.labels.clone();
        labels.push(Label::new("function", row.function.clone()));
        labels.push(Label::new("template", row.template.clone()));
        for described in &COUNTERS {
            for (tier, take) in described.tiers {
                let tier = (!tier.is_empty()).then(|| Label::new("tier", *tier));
                let labels: Vec<Label> = labels.iter().cloned().chain(tier).collect();
                counter!(described.name, labels).absolute(take(&row.stats));
            }
        }
        let times = histogram!(LOAD_SECONDS.0, labels);
        for (class, before) in row.stats.load_times.iter().zip(before) {
            let loads = class.loads.saturating_sub(before.loads);
            if loads > 0 {
                let micros = class.micros.saturating_sub(before.micros) as f64;
                let mean = micros / loads as f64 / 1e6;
                times.record_many(mean, usize::try_from(loads).unwrap_or(usize::MAX));
                *before = *class;
            }
        }
    }

    fn tell_health(&self, health: &Health) {
        for described in &GAUGES {
            if let Some(value) = (described.take)(health) {
                gauge!(described.name, self.labels.clone()).set(value);
            }
        }
        if let Some(redis) = &health.redis {
            counter!(GAPS.0, self.labels.clone()).absolute(redis.gaps);
        }
    }
}

/// Tells the recorder what the names mean.
fn describe() {
    for described in &COUNTERS {
        describe_counter!(described.name, described.help);
    }
    describe_counter!(GAPS.0, GAPS.1);
    describe_histogram!(LOAD_SECONDS.0, LOAD_SECONDS.1);
    for described in &GAUGES {
        describe_gauge!(described.name, described.help);
    }
}
