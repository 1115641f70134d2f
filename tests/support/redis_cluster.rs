//! A cluster of spawned Redis servers. Uses the standard library alone, as `redis_server` does, and adds nothing to who
//! kills whom: each node goes with its handle or with this process.

use std::fmt;
use std::thread;
use std::time::Instant;

use super::redis_server::{DEADLINE, Folder, POLL, RedisServer};

/// The slots of a cluster.
const SLOTS: usize = 16_384;
/// The nodes that have slots.
const MASTERS: usize = 3;

/// Three masters without replicas, each with a third of the slots. What a node that is down costs is its own slots: the
/// others go on (`cluster-require-full-coverage no`).
pub struct RedisCluster {
    nodes: Vec<RedisServer>,
    /// Where the nodes keep what they know of each other, also over a restart.
    folder: Folder,
}

impl RedisCluster {
    /// Starts three nodes, and waits until they are a cluster.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// The same, with further arguments for each node.
    pub fn start_with(arguments: &[&str]) -> Self {
        let mut cluster = Self {
            nodes: Vec::new(),
            folder: Folder::new(),
        };
        for index in 0..MASTERS {
            let node = cluster.start_node(arguments);
            let slots = SLOTS * index / MASTERS..SLOTS * (index + 1) / MASTERS;
            let slots: Vec<String> = slots.map(|slot| slot.to_string()).collect();
            let mut command = vec!["CLUSTER", "ADDSLOTS"];
            command.extend(slots.iter().map(String::as_str));
            ok(&node, &command);
            ok(&node, &["CLUSTER", "SET-CONFIG-EPOCH", &(index + 1).to_string()]);
            cluster.join(node);
        }
        cluster.wait_until_whole();
        cluster
    }

    /// The same with a fourth node, the last one, that takes the place of the first when that is gone.
    pub fn start_with_replica() -> Self {
        let mut cluster = Self::start_with(&["--repl-diskless-sync-delay", "0"]);
        let replica = cluster.start_node(&["--repl-diskless-sync-delay", "0"]);
        cluster.join(replica);
        cluster.wait_until_whole();
        let master = cluster.nodes[0].cli(&["CLUSTER", "MYID"]);
        let replica = &cluster.nodes[MASTERS];
        ok(replica, &["CLUSTER", "REPLICATE", &master]);
        let deadline = Instant::now() + 2 * DEADLINE;
        // Masters listen to a replica that they know as one.
        let is_known = |node: &RedisServer| {
            let nodes = node.cli(&["CLUSTER", "NODES"]);
            nodes
                .lines()
                .any(|line| line.contains("slave") && line.contains(&master))
        };
        while !replica.cli(&["ROLE"]).contains("connected") || !cluster.nodes.iter().all(is_known) {
            assert!(Instant::now() < deadline, "{replica:?} is no replica");
            thread::sleep(POLL);
        }
        cluster
    }

    fn start_node(&self, arguments: &[&str]) -> RedisServer {
        let file = self
            .folder
            .path()
            .join(format!("nodes-{}.conf", self.nodes.len()));
        let file = file.to_string_lossy();
        let mut all = vec!["--cluster-enabled", "yes", "--cluster-config-file", &file];
        all.extend(["--cluster-node-timeout", "2000"]);
        all.extend(["--cluster-require-full-coverage", "no"]);
        all.extend(arguments);
        RedisServer::start_node(&all)
    }

    /// Tells the first node of this one.
    fn join(&mut self, node: RedisServer) {
        if let Some(first) = self.nodes.first() {
            ok(first, &["CLUSTER", "MEET", "127.0.0.1", &node.port().to_string()]);
        }
        self.nodes.push(node);
    }

    /// Waits until each node sees all of them and all slots.
    pub fn wait_until_whole(&self) {
        let deadline = Instant::now() + DEADLINE;
        let known = format!("cluster_known_nodes:{}", self.nodes.len());
        for node in &self.nodes {
            loop {
                let info = node.cli(&["CLUSTER", "INFO"]);
                let whole = ["cluster_state:ok", "cluster_slots_ok:16384", &known];
                if whole.iter().all(|line| info.contains(line)) {
                    break;
                }
                assert!(
                    Instant::now() < deadline,
                    "{node:?} is not part of a cluster:\n{info}"
                );
                thread::sleep(POLL);
            }
        }
    }

    /// The addresses of all nodes, separated by commas.
    pub fn url(&self) -> String {
        let urls: Vec<String> = self.nodes.iter().map(RedisServer::url).collect();
        urls.join(",")
    }

    /// The nodes.
    pub fn nodes(&self) -> &[RedisServer] {
        &self.nodes
    }

    /// The place of the node that has a key.
    pub fn owner(&self, key: &str) -> usize {
        self.owner_of(self.slot(key))
    }

    /// The slot of a key.
    pub fn slot(&self, key: &str) -> usize {
        let slot = self.nodes[0].cli(&["CLUSTER", "KEYSLOT", key]);
        slot.parse().unwrap_or_else(|_| panic!("`{slot}` is no slot"))
    }

    /// The node that says that it has a slot itself.
    fn owner_of(&self, slot: usize) -> usize {
        (0..self.nodes.len())
            .find(|node| self.owner_for(*node, slot) == Some(*node))
            .unwrap_or_else(|| panic!("nobody has slot {slot}"))
    }

    /// Who has a slot by the word of one node.
    fn owner_for(&self, node: usize, slot: usize) -> Option<usize> {
        let has = |range: &str| {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let numbers = (first.parse::<usize>(), last.parse::<usize>());
            matches!(numbers, (Ok(first), Ok(last)) if (first..=last).contains(&slot))
        };
        let nodes = self.nodes[node].cli(&["CLUSTER", "NODES"]);
        let line = nodes.lines().find(|line| line.split(' ').skip(8).any(has))?;
        let port = line.split(' ').nth(1)?.split(['@', ':']).nth(1)?.to_owned();
        self.nodes.iter().position(|node| node.port().to_string() == port)
    }

    /// Begins to move a slot to the node at this place: keys that are not there any more are asked for at the other one.
    pub fn begin_to_move(&self, slot: usize, to: usize) {
        let from = self.owner_of(slot);
        let slot = slot.to_string();
        let id = |node: usize| self.nodes[node].cli(&["CLUSTER", "MYID"]);
        ok(
            &self.nodes[to],
            &["CLUSTER", "SETSLOT", &slot, "IMPORTING", &id(from)],
        );
        ok(
            &self.nodes[from],
            &["CLUSTER", "SETSLOT", &slot, "MIGRATING", &id(to)],
        );
    }

    /// Moves the keys of a slot, and then the slot itself.
    pub fn finish_to_move(&self, slot: usize, to: usize) {
        let from = self.owner_of(slot);
        let port = self.nodes[to].port().to_string();
        let name = slot.to_string();
        loop {
            let keys = self.nodes[from].cli(&["CLUSTER", "GETKEYSINSLOT", &name, "100"]);
            if keys.is_empty() {
                break;
            }
            for key in keys.lines() {
                // One that has expired meanwhile is no loss.
                let answer = self.nodes[from].cli(&["MIGRATE", "127.0.0.1", &port, key, "0", "5000"]);
                assert!(matches!(answer.as_str(), "OK" | "NOKEY"), "`MIGRATE`: {answer}");
            }
        }
        let id = self.nodes[to].cli(&["CLUSTER", "MYID"]);
        let others = (0..MASTERS).filter(|node| *node != to && *node != from);
        let deadline = Instant::now() + DEADLINE;
        for node in [to, from].into_iter().chain(others) {
            ok(&self.nodes[node], &["CLUSTER", "SETSLOT", &name, "NODE", &id]);
        }
        // What the nodes tell each other may be of before.
        while let Some(node) = (0..MASTERS).find(|node| self.owner_for(*node, slot) != Some(to)) {
            assert!(Instant::now() < deadline, "the nodes do not agree on slot {slot}");
            self.nodes[node].cli(&["CLUSTER", "SETSLOT", &name, "NODE", &id]);
            thread::sleep(10 * POLL);
        }
    }
}

impl fmt::Debug for RedisCluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RedisCluster").field(&self.nodes).finish()
    }
}

fn ok(node: &RedisServer, command: &[&str]) {
    let answer = node.cli(command);
    assert_eq!(answer, "OK", "`{}` on {node:?}", command.join(" "));
}
