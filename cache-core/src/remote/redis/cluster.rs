//! A cluster: which node has which slot, and commands sent to the nodes that have their keys. Each node has its own
//! supervised connection, so that one that hangs costs its own slots and no others.
//! Invariants: no caller asks for the map, a background task does; a node that says that a slot is elsewhere is believed,
//! within the budget of the call; and each command succeeds or fails for itself.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use redis::{Client, Cmd, ConnectionInfo, ErrorKind, RedisError, ServerErrorKind, Value};
use tokio::sync::Notify;

use super::connect::{self, ATTEMPT, Failure, jittered};
use super::link::{Link, Reply, lock};
use super::node::{Lane, Manner, Node, Which};
use super::script::Step;
use super::sentinel::moved_to;
use super::slot::{self, SLOTS};
use crate::CacheError;
use crate::config::Secret;
use crate::remote::{Budget, Unavailable};

/// How often one command is sent elsewhere: a slot that was moved may be on its way again.
const REDIRECTS: usize = 3;
/// The least time between two looks at the map, and the longest while something is wrong.
const PACE: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_millis(500);
/// How long a node may take to tell the map.
const PATIENCE: Duration = Duration::from_millis(500);
const NOBODY: u16 = u16::MAX;

pub(super) struct Cluster {
    seeds: Vec<Client>,
    template: ConnectionInfo,
    manner: Manner,
    map: RwLock<Map>,
    mapping: AtomicBool,
    /// Whether somebody has been asked for the map.
    asked: AtomicBool,
    closed: AtomicBool,
    woken: Arc<Notify>,
    changed: Notify,
    /// Why the map could not be had.
    failure: Mutex<Option<Failure>>,
    next: AtomicUsize,
}

#[derive(Default)]
struct Map {
    nodes: Vec<Arc<Node>>,
    /// For each slot the place of its node; empty as long as nothing is known.
    owners: Vec<u16>,
}

/// A part of the slots, and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Range {
    first: usize,
    last: usize,
    host: String,
    port: u16,
}

/// Where a command goes.
#[derive(Clone)]
enum Hop {
    Owner,
    At { node: Arc<Node>, asking: bool },
}

impl Map {
    fn node_of(&self, slot: u16) -> Option<&Arc<Node>> {
        let owner = self.owners.get(usize::from(slot))?;
        self.nodes.get(usize::from(*owner))
    }

    fn position(&self, address: &str) -> Option<usize> {
        self.nodes.iter().position(|node| node.link.address() == address)
    }
}

impl Cluster {
    pub(super) fn new(urls: &[Secret], manner: Manner) -> Result<Arc<Self>, CacheError> {
        let infos: Vec<ConnectionInfo> = urls.iter().map(connect::parse).collect::<Result<_, _>>()?;
        let Some(template) = infos.first().cloned() else {
            return Err(CacheError::Config("`REDIS_URL` names no node".into()));
        };
        Ok(Arc::new(Self {
            seeds: infos.into_iter().map(connect::client).collect::<Result<_, _>>()?,
            template,
            manner,
            map: RwLock::default(),
            mapping: AtomicBool::new(false),
            asked: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            woken: Arc::default(),
            changed: Notify::new(),
            failure: Mutex::default(),
            next: AtomicUsize::new(0),
        }))
    }

    fn read<T>(&self, read: impl FnOnce(&Map) -> T) -> T {
        read(&self.map.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The node that has a slot, as far as is known.
    pub(super) fn node_of(&self, slot: u16) -> Option<Arc<Node>> {
        self.read(|map| map.node_of(slot).cloned())
    }

    pub(super) fn nodes(&self) -> Vec<Arc<Node>> {
        self.read(|map| map.nodes.clone())
    }

    /// A node that can be asked, another one each time.
    pub(super) fn any(&self) -> Option<Arc<Node>> {
        let start = self.next.fetch_add(1, Ordering::Relaxed);
        self.read(|map| {
            let count = map.nodes.len();
            let up = |index: usize| map.nodes.get((start + index) % count.max(1));
            (0..count).filter_map(up).find(|node| node.link.is_up()).cloned()
        })
    }

    /// The node that has a slot. Before anybody was asked for the map, it is waited for.
    async fn owner(self: &Arc<Self>, slot: u16, budget: &mut Budget) -> Result<Arc<Node>, Unavailable> {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if let Some(node) = self.node_of(slot) {
                return Ok(node);
            }
            self.wake();
            if self.asked.load(Ordering::SeqCst) {
                return Err(Unavailable);
            }
            budget.spend(changed).await.ok_or(Unavailable)?;
        }
    }

    /// Sends a command about one key.
    pub(super) async fn send(
        self: &Arc<Self>,
        key: &str,
        command: &Cmd,
        budget: &mut Budget,
    ) -> Result<Value, Unavailable> {
        let slot = slot::of(key.as_bytes());
        let node = self.owner(slot, budget).await?;
        match node.link.ask(command, budget).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => {
                let hop = self.redirected(&error, slot, &node).ok_or(Unavailable)?;
                let step = Step::Command {
                    key: key.as_bytes().to_vec(),
                    command: command.clone(),
                };
                let mut results = self.follow(&[step], vec![(0, hop)], Lane::Fast, budget).await;
                results.pop().unwrap_or(Err(Unavailable))
            }
            Err(Unavailable) => {
                self.wake_for(&node);
                Err(Unavailable)
            }
        }
    }

    /// Does several things, each where its key is, side by side.
    pub(super) async fn run(
        self: &Arc<Self>,
        steps: &[Step],
        lane: Lane,
        budget: &mut Budget,
    ) -> Vec<Result<Value, Unavailable>> {
        let all = (0..steps.len()).map(|index| (index, Hop::Owner)).collect();
        self.follow(steps, all, lane, budget).await
    }

    async fn follow(
        self: &Arc<Self>,
        steps: &[Step],
        mut open: Vec<(usize, Hop)>,
        lane: Lane,
        budget: &mut Budget,
    ) -> Vec<Result<Value, Unavailable>> {
        let mut results = vec![Err(Unavailable); steps.len()];
        for _ in 0..=REDIRECTS {
            let groups = self.groups(steps, std::mem::take(&mut open), budget).await;
            if groups.is_empty() {
                break;
            }
            let answers = join_all(groups.iter().map(|group| async {
                let mut part = budget.part();
                let steps: Vec<&Step> = group
                    .indices
                    .iter()
                    .filter_map(|index| steps.get(*index))
                    .collect();
                let link = group.node.lane(lane);
                (link.run(&steps, group.asking, &mut part).await, part)
            }))
            .await;
            let (answers, parts): (Vec<Result<Vec<Reply>, Unavailable>>, Vec<Budget>) =
                answers.into_iter().unzip();
            budget.join(parts);
            for (group, answer) in groups.iter().zip(answers) {
                let Ok(replies) = answer else {
                    self.wake_for(&group.node);
                    continue;
                };
                for (index, reply) in group.indices.iter().zip(replies) {
                    let (Some(step), Some(result)) = (steps.get(*index), results.get_mut(*index)) else {
                        continue;
                    };
                    match reply {
                        Ok(value) => *result = Ok(value),
                        Err(error) => {
                            let hop = self.redirected(&error, slot::of(step.key()), &group.node);
                            open.extend(hop.map(|hop| (*index, hop)));
                        }
                    }
                }
            }
        }
        results
    }

    /// What goes to the same node goes in one. What has nowhere to go is left out.
    async fn groups(
        self: &Arc<Self>,
        steps: &[Step],
        open: Vec<(usize, Hop)>,
        budget: &mut Budget,
    ) -> Vec<Group> {
        let mut groups: Vec<Group> = Vec::new();
        for (index, hop) in open {
            let (node, asking) = match (hop, steps.get(index)) {
                (Hop::At { node, asking }, _) => (node, asking),
                (Hop::Owner, Some(step)) => match self.owner(slot::of(step.key()), budget).await {
                    Ok(node) => (node, false),
                    Err(Unavailable) => continue,
                },
                (Hop::Owner, None) => continue,
            };
            let known = groups
                .iter_mut()
                .find(|group| group.asking == asking && Arc::ptr_eq(&group.node, &node));
            match known {
                Some(group) => group.indices.push(index),
                None => groups.push(Group {
                    node,
                    asking,
                    indices: vec![index],
                }),
            }
        }
        groups
    }

    /// Where a refused command is to go instead.
    fn redirected(self: &Arc<Self>, error: &RedisError, slot: u16, from: &Arc<Node>) -> Option<Hop> {
        let ErrorKind::Server(kind) = error.kind() else {
            return None;
        };
        match kind {
            ServerErrorKind::Ask => {
                let node = self.at(error.redirect_node()?.0, from, |_, _| {})?;
                Some(Hop::At { node, asking: true })
            }
            ServerErrorKind::Moved => {
                let node = self.at(error.redirect_node()?.0, from, |map, index| {
                    if let Some(owner) = map.owners.get_mut(usize::from(slot)) {
                        *owner = index as u16;
                    }
                })?;
                self.wake();
                Some(Hop::At { node, asking: false })
            }
            ServerErrorKind::ClusterDown | ServerErrorKind::ReadOnly => {
                self.wake();
                None
            }
            _ => None,
        }
    }

    /// The node at an address that another one has named.
    fn at(&self, address: &str, from: &Node, then: impl FnOnce(&mut Map, usize)) -> Option<Arc<Node>> {
        let (host, port) = address.rsplit_once(':')?;
        // Without a host it is another port of the same machine.
        let host = if host.is_empty() {
            host_of(&from.link.address()).to_owned()
        } else {
            host.to_owned()
        };
        let port = port.parse().ok()?;
        let mut map = self.map.write().unwrap_or_else(PoisonError::into_inner);
        let index = if let Some(index) = map.position(&format!("{host}:{port}")) {
            index
        } else {
            map.nodes.push(self.node(&host, port)?);
            map.nodes.len() - 1
        };
        let node = map.nodes.get(index).cloned();
        then(&mut map, index);
        node
    }

    fn node(&self, host: &str, port: u16) -> Option<Arc<Node>> {
        if self.is_closed() {
            return None;
        }
        let client = connect::client(moved_to(&self.template, host, port)).ok()?;
        Some(Node::new(Which::At(Arc::new(client)), self.manner))
    }

    /// Looks at the map if a node cannot be asked: another one may have taken its place.
    fn wake_for(self: &Arc<Self>, node: &Node) {
        if !node.link.is_up() {
            self.wake();
        }
    }

    /// Starts the background task that looks at the map, unless it runs; then it is woken.
    pub(super) fn wake(self: &Arc<Self>) {
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

    /// Waits until all nodes were tried. Gives what is wrong with the configuration.
    pub(super) async fn first_attempt(self: &Arc<Self>) -> Option<String> {
        let mut whole = Budget::new(self.manner.timeout);
        let _ = self.owner(0, &mut whole).await;
        if let Some(misfit) = lock(&self.failure)
            .as_ref()
            .and_then(|failure| failure.misfit.clone())
        {
            return Some(misfit);
        }
        let nodes = self.nodes();
        let attempts = join_all(nodes.iter().map(|node| node.link.first_attempt())).await;
        attempts.into_iter().flatten().next()
    }

    /// Why there is no map.
    pub(super) fn failure(&self) -> Option<String> {
        lock(&self.failure).as_ref().map(|failure| failure.reason.clone())
    }

    /// Waits until a node can be asked, for `limit` at most.
    pub(super) async fn wait_until_up(self: &Arc<Self>, limit: Duration) -> bool {
        let wait = async {
            while self.any().is_none() {
                self.wake();
                let nodes = self.nodes();
                let mut up: FuturesUnordered<_> = nodes
                    .iter()
                    .map(|node| node.link.wait_until_up(LONGEST))
                    .collect();
                if up.is_empty() {
                    let _ = tokio::time::timeout(LONGEST, self.changed.notified()).await;
                } else {
                    while up.next().await.is_some_and(|up| !up) {}
                }
            }
        };
        tokio::time::timeout(limit, wait).await.is_ok()
    }

    /// Whether this node is one of the cluster.
    pub(super) fn has(&self, link: &Arc<Link>) -> bool {
        self.read(|map| map.nodes.iter().any(|node| Arc::ptr_eq(&node.link, link)))
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        self.woken.notify_one();
        for node in self.nodes() {
            node.close();
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // The task that waits sees that nobody is left.
        self.woken.notify_one();
    }
}

struct Group {
    node: Arc<Node>,
    asking: bool,
    indices: Vec<usize>,
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

fn host_of(address: &str) -> &str {
    address.rsplit_once(':').map_or(address, |(host, _)| host)
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
