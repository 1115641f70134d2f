//! What the router tells as JSON. Durations are in seconds; what is not known is `null`.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::engine::info::FunctionInfo;
use crate::manager::{Health, NodeHealth, RedisHealth};
use crate::{Catalogue, FunctionStats, Stats};

pub(super) fn health(health: &Health) -> Value {
    json!({
        "status": health.status.to_string(),
        "backend": word(health.backend),
        "redis": health.redis.as_ref().map(redis),
        "pending_invalidations": health.pending_invalidations,
        "entries": health.entries,
        "memory_bytes": health.memory_bytes,
        "loads_running": health.loads_running,
    })
}

fn redis(redis: &RedisHealth) -> Value {
    json!({
        "mode": word(redis.mode),
        "connected": redis.connected,
        "breaker": if redis.connected { "closed" } else { "open" },
        "channel": redis.channel,
        "gaps": redis.gaps,
        "version": redis.version,
        "latency": seconds(redis.latency),
        "last_error": redis.last_error,
        "nodes": redis.nodes.iter().map(node).collect::<Vec<_>>(),
    })
}

fn node(node: &NodeHealth) -> Value {
    json!({
        "address": node.address,
        "up": node.up,
        "version": node.version,
        "latency": seconds(node.latency),
        "last_error": node.last_error,
    })
}

pub(super) fn stats(stats: &Stats) -> Value {
    let functions: Map<String, Value> = stats
        .functions
        .iter()
        .map(|(path, counted)| (path.clone(), counts(counted)))
        .collect();
    json!({
        "total": counts(&stats.total),
        "functions": functions,
        "entries": stats.entries,
        "memory_bytes": stats.memory_bytes,
    })
}

fn counts(stats: &FunctionStats) -> Value {
    json!({
        "memory_hits": stats.memory_hits,
        "redis_hits": stats.redis_hits,
        "misses": stats.misses,
        "loads": stats.loads,
        "load_time": stats.load_time.as_secs_f64(),
        "coalesced": stats.coalesced,
        "stale_served": stats.stale_served,
        "evictions": stats.evictions,
        "invalidations": stats.invalidations,
        "errors": stats.errors,
        "bytes": stats.bytes,
        "hit_ratio": stats.hit_ratio(),
    })
}

pub(super) fn popular(top: &[(String, u64)]) -> Value {
    let one = |(text, count): &(String, u64)| json!({ "text": text, "count": count });
    top.iter().map(one).collect()
}

pub(super) fn catalogue(catalogue: &Catalogue) -> Value {
    let findings: Vec<Value> = catalogue
        .check()
        .iter()
        .map(|finding| json!({ "severity": word(finding.severity()), "message": finding.to_string() }))
        .collect();
    json!({
        "cached": catalogue.cached().map(cached).collect::<Vec<_>>(),
        "invalidators": catalogue.invalidators().map(invalidator).collect::<Vec<_>>(),
        "findings": findings,
        "arrows": catalogue.graph().arrows().map(|(from, to, by)| json!({ "from": from, "to": to, "by": by })).collect::<Vec<_>>(),
    })
}

fn cached(row: &FunctionInfo) -> Value {
    json!({
        "path": row.path(),
        "file": row.file(),
        "line": row.line(),
        "template": row.template(),
        "value": row.value(),
        "each": row.each(),
        "tier": word(row.tier()),
        "version": row.version(),
        "ttl": seconds(row.ttl()),
        "has_computed_ttl": row.has_computed_ttl(),
        "none_ttl": seconds(row.none_ttl()),
        "stale_if_error": seconds(row.stale_if_error()),
        "stale_while_revalidate": seconds(row.stale_while_revalidate()),
        "refresh_ahead": row.refresh_ahead(),
        "jitter": row.jitter(),
        "soft_timeout": seconds(row.soft_timeout()),
        "hard_timeout": seconds(row.hard_timeout()),
        "tags": row.tags(),
    })
}

fn invalidator(row: &FunctionInfo) -> Value {
    json!({
        "path": row.path(),
        "file": row.file(),
        "line": row.line(),
        "targets": row.targets().iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

fn seconds(duration: Option<Duration>) -> Option<f64> {
    duration.map(|duration| duration.as_secs_f64())
}

/// The name of a variant in lower case.
fn word(variant: impl std::fmt::Debug) -> String {
    format!("{variant:?}").to_lowercase()
}
