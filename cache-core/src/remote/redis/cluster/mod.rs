//! A cluster: which node has which slot, and commands sent to the nodes that have their keys. Each node has its own
//! supervised connection, so that one that hangs costs its own slots and no others.
//! Invariants: no caller asks for the map, a background task does; a node that says that a slot is elsewhere is believed,
//! within the budget of the call; and each command succeeds or fails for itself.

mod map;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use redis::{Client, Cmd, ConnectionInfo, ErrorKind, RedisError, ServerErrorKind, Value};
use tokio::sync::Notify;

use super::connect::{self, Failure};
use super::link::{Link, Reply, is_read_only, lock};
use super::node::{Lane, Manner, Node, Which};
use super::script::Step;
use super::sentinel::moved_to;
use super::slot;
use crate::CacheError;
use crate::config::Secret;
use crate::remote::{Budget, Unavailable};
use map::{LONGEST, Map};

/// How often one command is sent elsewhere: a slot that was moved may be on its way again.
const REDIRECTS: usize = 3;

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

/// Where a command goes.
#[derive(Clone)]
enum Hop {
    Owner,
    At { node: Arc<Node>, asking: bool },
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

    /// Another number whenever one of the nodes is started again, comes or goes.
    pub(super) fn runs(&self) -> u64 {
        let runs = |map: &Map| map.nodes.iter().fold(0, |all, node| all ^ node.link.origin());
        self.read(runs)
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
            _ if kind == ServerErrorKind::ClusterDown || is_read_only(error) => {
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
        Some(Node::new(Which::At(Arc::new(client)), self.manner.clone()))
    }

    /// Looks at the map if a node cannot be asked: another one may have taken its place.
    pub(super) fn wake_for(self: &Arc<Self>, node: &Node) {
        if !node.link.is_up() {
            self.wake();
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

fn host_of(address: &str) -> &str {
    address.rsplit_once(':').map_or(address, |(host, _)| host)
}
