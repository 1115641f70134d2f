//! All the servers of one Redis: a single one, the master of sentinels, or the nodes of a cluster. It says which server a
//! key is on, and sends commands there. Invariant: whoever asks need not know which of these it is.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use redis::{Client, Cmd, Pipeline, Value};

use super::cluster::Cluster;
use super::connect;
use super::link::{Link, Reply, accepted};
use super::node::{Lane, Manner, Node, Which};
use super::script::Step;
use super::sentinel::Sentinels;
use super::slot;
use super::tracking::Tracking;
use crate::CacheError;
use crate::config::{RedisConfig, RedisMode};
use crate::remote::{Budget, NodeFacts, Unavailable};

pub(crate) struct Nodes {
    layout: Layout,
    tracking: Option<Arc<Tracking>>,
}

enum Layout {
    One(Arc<Node>),
    Many(Arc<Cluster>),
}

/// A server that news are heard from.
pub(crate) struct Post {
    pub(crate) client: Client,
    link: Arc<Link>,
    number: u64,
}

impl fmt::Debug for Nodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let links: Vec<Arc<Link>> = self.all().iter().map(|node| Arc::clone(&node.link)).collect();
        f.debug_tuple("Nodes").field(&links).finish()
    }
}

impl Nodes {
    pub(super) fn new(config: &RedisConfig, prefix: &str) -> Result<Self, CacheError> {
        let tracking = config.tracking.then(|| Arc::new(Tracking::new(prefix)));
        let manner = Manner {
            timeout: config.timeout,
            two: config.max_connections > 1,
            gathers: config.gathers,
            tracking: tracking.clone(),
        };
        let servers = &config.servers;
        let layout = match servers.mode {
            RedisMode::Cluster => Layout::Many(Cluster::new(&servers.urls, manner)?),
            RedisMode::Sentinel => Layout::One(Node::new(
                Which::MasterOf(Sentinels::new(servers, config.timeout)?),
                manner,
            )),
            RedisMode::Single => {
                let Some(url) = servers.urls.first() else {
                    return Err(CacheError::Config("`REDIS_URL` names no server".into()));
                };
                let client = connect::client(connect::parse(url)?)?;
                Layout::One(Node::new(Which::At(Arc::new(client)), manner))
            }
        };
        Ok(Self { layout, tracking })
    }

    /// Whether keys of one command have to be in one slot.
    pub(super) fn are_many(&self) -> bool {
        matches!(self.layout, Layout::Many(_))
    }

    /// The servers that have keys.
    pub(super) fn all(&self) -> Vec<Arc<Node>> {
        match &self.layout {
            Layout::One(node) => vec![Arc::clone(node)],
            Layout::Many(cluster) => cluster.nodes(),
        }
    }

    /// What is under a key. Reads of one server may ride together.
    pub(super) async fn read(&self, key: String, budget: &mut Budget) -> Result<Value, Unavailable> {
        match &self.layout {
            Layout::One(node) => node.link.read(key, budget).await,
            // On its own, so that a read of one server has no room to make for it.
            Layout::Many(cluster) => Box::pin(cluster.send(&key, redis::cmd("GET").arg(&key), budget)).await,
        }
    }

    /// Sends a command about one key, and waits for its reply within the budget.
    pub(super) async fn send(
        &self,
        key: &str,
        command: &Cmd,
        budget: &mut Budget,
    ) -> Result<Value, Unavailable> {
        match &self.layout {
            Layout::One(node) => accepted(node.link.ask(command, budget).await?),
            Layout::Many(cluster) => cluster.send(key, command, budget).await,
        }
    }

    /// Does several things, each on the server that has its key. Each succeeds or fails for itself.
    pub(super) async fn run(
        &self,
        steps: &[Step],
        lane: Lane,
        budget: &mut Budget,
    ) -> Vec<Result<Value, Unavailable>> {
        match &self.layout {
            Layout::One(node) => {
                let all: Vec<&Step> = steps.iter().collect();
                match node.lane(lane).run(&all, false, budget).await {
                    Ok(replies) => replies.into_iter().map(accepted).collect(),
                    Err(Unavailable) => vec![Err(Unavailable); steps.len()],
                }
            }
            Layout::Many(cluster) => cluster.run(steps, lane, budget).await,
        }
    }

    /// Does one thing.
    pub(super) async fn run_one(&self, step: Step, budget: &mut Budget) -> Result<Value, Unavailable> {
        self.run(&[step], Lane::Fast, budget)
            .await
            .pop()
            .unwrap_or(Err(Unavailable))
    }

    /// Sends what is about no key to some server; what is published there is heard on all. The server may refuse some.
    pub(super) async fn send_anywhere(
        &self,
        commands: &Pipeline,
        budget: &mut Budget,
    ) -> Result<Vec<Reply>, Unavailable> {
        let node = match &self.layout {
            Layout::One(node) => Arc::clone(node),
            Layout::Many(cluster) => {
                let Some(node) = cluster.any() else {
                    cluster.wake();
                    return Err(Unavailable);
                };
                node
            }
        };
        node.link.ask_all(commands, budget).await
    }

    fn node_of(&self, key: &str) -> Option<Arc<Node>> {
        match &self.layout {
            Layout::One(node) => Some(Arc::clone(node)),
            Layout::Many(cluster) => cluster.node_of(slot::of(key.as_bytes())),
        }
    }

    /// The time of the server that has a key, in milliseconds since 1970, as far as it is known.
    pub(super) fn now(&self, key: impl FnOnce() -> String) -> u64 {
        match &self.layout {
            Layout::One(node) => node.link.now(),
            Layout::Many(cluster) => cluster
                .node_of(slot::of(key().as_bytes()))
                .map_or_else(crate::clock::wall, |node| node.link.now()),
        }
    }

    /// Which runs of which servers these keys are on; 0 when they do not say.
    pub(super) fn origin(&self, keys: impl Iterator<Item = String>) -> u64 {
        match &self.layout {
            Layout::One(node) => node.link.origin(),
            Layout::Many(cluster) => {
                let mut runs: Vec<u64> = keys
                    .filter_map(|key| cluster.node_of(slot::of(key.as_bytes())))
                    .map(|node| node.link.origin())
                    .collect();
                runs.sort_unstable();
                runs.dedup();
                // Each of them is random, and another one after a restart.
                runs.into_iter().fold(0, |all: u64, run| all.rotate_left(1) ^ run)
            }
        }
    }

    /// Which runs of which servers there are, as far as they say.
    pub(crate) fn runs(&self) -> u64 {
        match &self.layout {
            Layout::One(node) => node.link.origin(),
            Layout::Many(cluster) => cluster.runs(),
        }
    }

    /// Whether some server can be asked.
    pub(crate) fn is_up(&self) -> bool {
        match &self.layout {
            Layout::One(node) => node.link.is_up(),
            Layout::Many(cluster) => cluster.any().is_some(),
        }
    }

    /// Whether the server that has a key can be asked.
    pub(super) fn is_up_at(&self, key: &str) -> bool {
        self.node_of(key).is_some_and(|node| node.link.is_up())
    }

    /// Whether a command about a key would fail at once. Somebody is looking for its server meanwhile.
    pub(super) fn is_gone_at(&self, key: impl FnOnce() -> String) -> bool {
        let node = match &self.layout {
            Layout::One(node) => Arc::clone(node),
            Layout::Many(_) => match self.node_of(&key()) {
                Some(node) => node,
                None => return false,
            },
        };
        let gone = node.link.is_down();
        if gone {
            node.link.wake();
            if let Layout::Many(cluster) = &self.layout {
                cluster.wake_for(&node);
            }
        }
        gone
    }

    /// Waits until the connection to the server that has a key now is gone.
    pub(crate) async fn until_gone_at(&self, key: &str) {
        match self.node_of(key) {
            Some(node) => node.link.until_gone().await,
            None => std::future::pending().await,
        }
    }

    /// Waits until the first attempt to connect is over.
    pub(super) async fn first_attempt(&self) -> Result<(), CacheError> {
        let misfit = match &self.layout {
            Layout::One(node) => node.link.first_attempt().await,
            Layout::Many(cluster) => cluster.first_attempt().await,
        };
        misfit.map_or(Ok(()), |misfit| Err(CacheError::Config(misfit)))
    }

    /// What is known about the servers, asked anew, and why not all of them are known.
    pub(super) async fn health(&self, limit: Duration) -> (Vec<NodeFacts>, Option<String>) {
        let nodes = self.all();
        let facts = join_all(nodes.iter().map(|node| async {
            let up = node.link.ping(limit).await.is_some();
            let facts = node.link.facts();
            NodeFacts {
                address: node.link.address(),
                up,
                version: facts.version,
                latency: facts.latency,
                last_error: facts.last_error,
            }
        }))
        .await;
        let failure = match &self.layout {
            Layout::One(_) => None,
            Layout::Many(cluster) => cluster.failure(),
        };
        (facts, failure)
    }

    /// Whether keys are on their way from one server to another.
    pub(super) async fn move_slots(&self, limit: Duration) -> Result<bool, Unavailable> {
        let Layout::Many(cluster) = &self.layout else {
            return Ok(false);
        };
        let nodes = cluster.nodes();
        let asked = join_all(nodes.iter().map(|node| async {
            let mut question = redis::cmd("CLUSTER");
            question.arg("NODES");
            let reply = node.link.ask(&question, &mut Budget::new(limit)).await?;
            let says: String =
                redis::FromRedisValue::from_redis_value(accepted(reply)?).map_err(|_| Unavailable)?;
            // `[slot->-node]` and `[slot-<-node]` of the one that is asked.
            Ok(says
                .lines()
                .any(|line| line.contains("myself") && line.contains(" [")))
        }));
        let answers: Result<Vec<bool>, Unavailable> = asked.await.into_iter().collect();
        Ok(answers?.contains(&true))
    }

    /// What tells of the writes of other programs, if it is to.
    pub(super) fn tracking(&self) -> Option<&Arc<Tracking>> {
        self.tracking.as_ref()
    }

    /// Whether all servers tell of the writes of other programs.
    pub(super) fn are_tracked(&self) -> bool {
        let nodes = self.all();
        !nodes.is_empty() && nodes.iter().all(|node| node.link.is_tracked())
    }

    /// Where to listen to what any server publishes: nowhere while there is none.
    pub(super) fn post(&self) -> Option<Post> {
        let node = match &self.layout {
            Layout::One(node) => Arc::clone(node),
            Layout::Many(cluster) => cluster.any()?,
        };
        let (client, number) = node.link.client()?;
        Some(Post {
            client,
            link: Arc::clone(&node.link),
            number,
        })
    }

    /// Waits until a server is not the one to listen to any more: it lost its place, or is dead where others live.
    pub(super) async fn end_of(&self, post: &Post) {
        let stands = || {
            post.link.number() == post.number
                && match &self.layout {
                    Layout::One(_) => true,
                    Layout::Many(cluster) => !post.link.is_down() && cluster.has(&post.link),
                }
        };
        loop {
            let mut changed = std::pin::pin!(post.link.changed.notified());
            changed.as_mut().enable();
            if !stands() {
                return;
            }
            changed.await;
        }
    }

    /// Waits until a server can be asked, for `limit` at most.
    pub(crate) async fn wait_until_up(&self, limit: Duration) -> bool {
        match &self.layout {
            Layout::One(node) => node.link.wait_until_up(limit).await,
            Layout::Many(cluster) => cluster.wait_until_up(limit).await,
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        match &self.layout {
            Layout::One(node) => node.link.is_closed(),
            Layout::Many(cluster) => cluster.is_closed(),
        }
    }

    pub(super) fn close(&self) {
        match &self.layout {
            Layout::One(node) => node.close(),
            Layout::Many(cluster) => cluster.close(),
        }
    }
}
