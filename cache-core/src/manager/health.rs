//! How a cache is: for `/health`, for people, for alarms. A degraded cache still serves.

use std::sync::Arc;
use std::time::Duration;

use crate::engine::Core;
use crate::remote::Facts;
use crate::{BackendMode, RedisMode};

/// The state of a cache as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum HealthStatus {
    /// All that is configured works.
    Healthy,
    /// Redis is configured and cannot be used; functions run, and memory serves.
    Degraded,
    /// The cache is turned off or closed; functions run as if not annotated.
    Off,
}

impl std::fmt::Display for HealthStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Off => "off",
        })
    }
}

/// What is known about one server.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct NodeHealth {
    /// Where it is, with the name of the master where sentinels say so; never with a secret in it.
    pub address: String,
    /// Whether its breaker lets calls through: there is a connection, and it answered.
    pub up: bool,
    /// The version it told.
    pub version: Option<String>,
    /// How long its last `PING` took.
    pub latency: Option<Duration>,
    /// Why its last connection was lost or could not be made; never with a secret in it.
    pub last_error: Option<String>,
}

/// What is known about Redis.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RedisHealth {
    /// How it is deployed.
    pub mode: RedisMode,
    /// Whether the breaker lets calls through: there is a connection, and it answered; for a cluster, to each node.
    pub connected: bool,
    /// The servers that hold entries: one, or the nodes of a cluster as far as they are known.
    pub nodes: Vec<NodeHealth>,
    /// Whether invalidations of other processes are heard.
    pub channel: bool,
    /// How often a message of another process did not arrive although the channel stood, so that all copies in memory were
    /// dropped.
    pub gaps: u64,
    /// The version the server told; of several, the earliest.
    pub version: Option<String>,
    /// How long its last `PING` took; of several, the longest.
    pub latency: Option<Duration>,
    /// Why the last connection was lost or could not be made; never with a secret in it.
    pub last_error: Option<String>,
}

impl RedisHealth {
    fn of(mode: RedisMode, facts: Facts) -> Self {
        let nodes: Vec<NodeHealth> = facts
            .nodes
            .into_iter()
            .map(|node| NodeHealth {
                address: node.address,
                up: node.up,
                version: node.version,
                latency: node.latency,
                last_error: node.last_error,
            })
            .collect();
        Self {
            mode,
            connected: !nodes.is_empty() && nodes.iter().all(|node| node.up),
            channel: facts.channel,
            gaps: facts.gaps,
            version: nodes.iter().filter_map(|node| node.version.clone()).min(),
            latency: nodes.iter().filter_map(|node| node.latency).max(),
            last_error: nodes
                .iter()
                .find_map(|node| node.last_error.clone())
                .or(facts.failure),
            nodes,
        }
    }
}

/// The state of a cache in detail.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Health {
    /// The state as a whole.
    pub status: HealthStatus,
    /// Which tiers hold entries.
    pub backend: BackendMode,
    /// Nothing without Redis.
    pub redis: Option<RedisHealth>,
    /// Invalidations that Redis has not taken yet.
    pub pending_invalidations: u64,
    /// Entries in memory.
    pub entries: u64,
    /// Estimated bytes of the entries in memory.
    pub memory_bytes: u64,
    /// Loads that run.
    pub loads_running: u64,
}

pub(super) async fn of(core: &Arc<Core>) -> Health {
    let mode = core
        .config
        .redis
        .as_ref()
        .map_or(RedisMode::Single, |redis| redis.servers.mode);
    let redis = match &core.remote {
        Some(remote) => remote
            .health(core.config.op_budget)
            .await
            .map(|facts| RedisHealth::of(mode, facts)),
        None => None,
    };
    let pending = core.pending.len() as u64;
    let degraded = redis.as_ref().is_some_and(|redis| !redis.connected) || pending > 0;
    let status = match (core.is_on(), degraded) {
        (false, _) => HealthStatus::Off,
        (true, true) => HealthStatus::Degraded,
        (true, false) => HealthStatus::Healthy,
    };
    Health {
        status,
        backend: core.config.backend,
        redis,
        pending_invalidations: pending,
        entries: core.memory.len() as u64,
        memory_bytes: core.memory.bytes(),
        loads_running: core.memory.flights() as u64,
    }
}
