//! The map of a cluster, and how it is come by: a background task asks any node that answers, and goes by what it says.
//! It sends nothing for callers. Invariant: one such task at most for each cluster, and however many ask for it, there is a
//! pause between two looks.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use redis::{RedisError, Value};

use super::{Cluster, host_of};
use crate::remote::Budget;
use crate::remote::redis::connect::{self, ATTEMPT, Failure, jittered};
use crate::remote::redis::link::lock;
use crate::remote::redis::node::Node;
use crate::remote::redis::slot::SLOTS;

/// The least time between two looks at the map, and the longest while something is wrong.
const PACE: Duration = Duration::from_millis(50);
pub(super) const LONGEST: Duration = Duration::from_millis(500);
/// How long a node may take to tell the map.
const PATIENCE: Duration = Duration::from_millis(500);
const NOBODY: u16 = u16::MAX;

#[derive(Default)]
pub(super) struct Map {
    pub(super) nodes: Vec<Arc<Node>>,
    /// For each slot the place of its node; empty as long as nothing is known.
    pub(super) owners: Vec<u16>,
}

/// A part of the slots, and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Range {
    first: usize,
    last: usize,
    host: String,
    port: u16,
}

impl Map {
    pub(super) fn node_of(&self, slot: u16) -> Option<&Arc<Node>> {
        let owner = self.owners.get(usize::from(slot))?;
        self.nodes.get(usize::from(*owner))
    }

    pub(super) fn position(&self, address: &str) -> Option<usize> {
        self.nodes.iter().position(|node| node.link.address() == address)
    }
}

impl Cluster {
    /// Starts the background task that looks at the map, unless it runs; then it is woken.
    pub(in crate::remote::redis) fn wake(self: &Arc<Self>) {
        if self.is_closed() {
            return;
        }
        self.woken.notify_one();
        if self.mapping.swap(true, Ordering::AcqRel) {
            return;
        }
        let task = Mapping(Arc::downgrade(self));
        // Dropped here or with its runtime, the task can be started again by the next caller.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(task.run());
        }
    }

    /// Asks for the map and goes by it. Gives whether all is well.
    async fn look(self: &Arc<Self>) -> bool {
        let result = self.ask().await;
        let known = result.is_ok();
        *lock(&self.failure) = match result {
            Ok(ranges) => {
                self.go_by(&ranges);
                None
            }
            Err(failure) => {
                if !self.asked.load(Ordering::SeqCst) {
                    tracing::warn!(
                        reason = failure.reason,
                        "no node of the cluster can be reached; the cache goes on without it"
                    );
                }
                Some(failure)
            }
        };
        self.asked.store(true, Ordering::SeqCst);
        self.changed.notify_waiters();
        known && self.nodes().iter().all(|node| node.link.is_up())
    }

    /// Asks the nodes for the map, or if none of them answers those that were named at first.
    async fn ask(self: &Arc<Self>) -> Result<Vec<Range>, Failure> {
        let mut question = redis::cmd("CLUSTER");
        question.arg("SLOTS");
        let question = &question;
        let up = self.nodes().into_iter().filter(|node| node.link.is_up());
        let mut asked: FuturesUnordered<_> = up
            .map(|node| async move {
                let reply = node
                    .link
                    .ask(question, &mut Budget::new(PATIENCE))
                    .await
                    .ok()?
                    .ok()?;
                ranges(&reply, host_of(&node.link.address()))
            })
            .collect();
        while let Some(answer) = asked.next().await {
            if let Some(ranges) = answer {
                return Ok(ranges);
            }
        }
        let limit = if self.asked.load(Ordering::SeqCst) {
            self.manner.timeout.min(ATTEMPT)
        } else {
            self.manner.timeout
        };
        let mut asked: FuturesUnordered<_> = self
            .seeds
            .iter()
            .map(|seed| async move {
                let address = seed.get_connection_info().addr().to_string();
                let work = async {
                    let mut connection = connect::open(seed, limit).await?;
                    question.query_async::<Value>(&mut connection).await
                };
                match tokio::time::timeout(limit, work).await {
                    Ok(Ok(reply)) => ranges(&reply, host_of(&address))
                        .ok_or_else(|| Failure::new(format!("{address} has no slots"))),
                    Ok(Err(error)) => Err(misfit(&error, &address)),
                    Err(_) => Err(Failure::new("no answer in time")),
                }
            })
            .collect();
        let mut failure = Failure::new("no node answers");
        while let Some(answer) = asked.next().await {
            match answer {
                Ok(ranges) => return Ok(ranges),
                Err(other) => failure = other,
            }
        }
        Err(failure)
    }

    fn go_by(self: &Arc<Self>, ranges: &[Range]) {
        let mut fresh = Map {
            nodes: Vec::new(),
            owners: vec![NOBODY; SLOTS],
        };
        let gone: Vec<Arc<Node>> = {
            let mut map = self.map.write().unwrap_or_else(PoisonError::into_inner);
            for range in ranges {
                let address = format!("{}:{}", range.host, range.port);
                let index = fresh.position(&address).or_else(|| {
                    let known = map.position(&address).and_then(|index| map.nodes.get(index));
                    let node = match known {
                        Some(node) => Arc::clone(node),
                        None => self.node(&range.host, range.port)?,
                    };
                    fresh.nodes.push(node);
                    Some(fresh.nodes.len() - 1)
                });
                let slots = fresh.owners.get_mut(range.first..=range.last);
                if let (Some(index), Some(slots)) = (index, slots) {
                    slots.fill(index as u16);
                }
            }
            let old = std::mem::replace(&mut *map, fresh);
            old.nodes
                .into_iter()
                .filter(|node| !map.nodes.iter().any(|other| Arc::ptr_eq(other, node)))
                .collect()
        };
        for node in gone {
            node.close();
        }
        for node in self.nodes() {
            if !node.link.is_up() {
                node.link.wake();
            }
        }
    }
}

fn misfit(error: &RedisError, address: &str) -> Failure {
    let mut failure = Failure::of(error, address);
    if error
        .detail()
        .is_some_and(|detail| detail.contains("cluster support disabled"))
    {
        failure.misfit = Some(format!(
            "the server at `{address}` is no node of a cluster; check `REDIS_URL`, or set `REDIS_MODE=single`"
        ));
    }
    failure
}

/// The reply to `CLUSTER SLOTS`: `first, last, [host, port, ..], replicas ..` for each range. A node that does not know its own
/// host is where it was asked.
fn ranges(reply: &Value, asked: &str) -> Option<Vec<Range>> {
    let Value::Array(rows) = reply else { return None };
    let ranges: Vec<Range> = rows
        .iter()
        .filter_map(|row| {
            let Value::Array(row) = row else { return None };
            let [Value::Int(first), Value::Int(last), Value::Array(master), ..] = row.as_slice() else {
                return None;
            };
            let [host, Value::Int(port), ..] = master.as_slice() else {
                return None;
            };
            let host = match host {
                Value::BulkString(host) => String::from_utf8(host.clone()).ok()?,
                Value::SimpleString(host) => host.clone(),
                _ => String::new(),
            };
            Some(Range {
                first: usize::try_from(*first).ok()?,
                last: usize::try_from(*last).ok().filter(|last| *last < SLOTS)?,
                host: if host.is_empty() || host == "?" {
                    asked.to_owned()
                } else {
                    host
                },
                port: u16::try_from(*port).ok()?,
            })
        })
        .collect();
    (!ranges.is_empty()).then_some(ranges)
}

/// The right to look at the map. Whoever drops it lets the next one try.
struct Mapping(Weak<Cluster>);

impl Mapping {
    async fn run(self) {
        loop {
            let Some(cluster) = self.0.upgrade().filter(|cluster| !cluster.is_closed()) else {
                return;
            };
            let well = cluster.look().await;
            let woken = Arc::clone(&cluster.woken);
            drop(cluster);
            // However many callers ask for it, it is not looked at all the time.
            tokio::time::sleep(jittered(2 * PACE)).await;
            if well {
                woken.notified().await;
            } else {
                let _ = tokio::time::timeout(jittered(LONGEST), woken.notified()).await;
            }
        }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        if let Some(cluster) = self.0.upgrade() {
            cluster.mapping.store(false, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(host: &str, port: i64) -> Value {
        Value::Array(vec![
            Value::BulkString(host.into()),
            Value::Int(port),
            Value::BulkString("id".into()),
        ])
    }

    #[test]
    fn the_map_names_the_masters_and_knows_who_was_asked() {
        let row = |first, last, master| {
            Value::Array(vec![Value::Int(first), Value::Int(last), master, node("r", 9)])
        };
        let reply = Value::Array(vec![row(0, 5, node("a", 1)), row(6, 16_383, node("", 2))]);
        let range = |first, last, host: &str, port| Range {
            first,
            last,
            host: host.to_owned(),
            port,
        };
        assert_eq!(
            ranges(&reply, "here"),
            Some(vec![range(0, 5, "a", 1), range(6, 16_383, "here", 2)])
        );
    }

    #[test]
    fn what_is_no_map_is_not_gone_by() {
        let row = Value::Array(vec![Value::Int(0), Value::Int(70_000), node("a", 1)]);
        for reply in [
            Value::Nil,
            Value::Array(Vec::new()),
            Value::Array(vec![row, Value::Nil]),
        ] {
            assert_eq!(ranges(&reply, "here"), None);
        }
    }
}
