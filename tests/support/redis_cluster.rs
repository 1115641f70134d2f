//! A cluster of spawned Redis servers. Uses the standard library alone, as `redis_server` does, and adds nothing to who
//! kills whom: each node goes with its handle or with this process.

use std::fmt;
use std::thread;
use std::time::Instant;

use super::redis_server::{DEADLINE, Folder, POLL, RedisServer, free_port};

/// The slots of a cluster.
const SLOTS: usize = 16_384;

/// Three masters without replicas, each with a third of the slots. What a node that is down costs is its own slots: the
/// others go on (`cluster-require-full-coverage no`).
pub struct RedisCluster {
    nodes: Vec<RedisServer>,
    /// Where the nodes keep what they know of each other, also over a restart.
    _folder: Folder,
}

impl RedisCluster {
    /// Starts three nodes, and waits until they are a cluster.
    pub fn start() -> Self {
        let folder = Folder::new();
        let mut buses = Vec::new();
        let mut nodes = Vec::new();
        for index in 0..3 {
            let (bus, file) = (
                free_port().to_string(),
                folder.path().join(format!("nodes-{index}.conf")),
            );
            nodes.push(RedisServer::start_with(&[
                "--cluster-enabled",
                "yes",
                "--cluster-port",
                &bus,
                "--cluster-config-file",
                &file.to_string_lossy(),
                "--cluster-node-timeout",
                "2000",
                "--cluster-require-full-coverage",
                "no",
            ]));
            buses.push(bus);
        }
        for (index, node) in nodes.iter().enumerate() {
            let part = |index: usize| (SLOTS * index / 3).to_string();
            let last = (SLOTS * (index + 1) / 3 - 1).to_string();
            ok(node, &["CLUSTER", "ADDSLOTSRANGE", &part(index), &last]);
            ok(node, &["CLUSTER", "SET-CONFIG-EPOCH", &(index + 1).to_string()]);
        }
        for (node, bus) in nodes.iter().zip(&buses).skip(1) {
            ok(
                &nodes[0],
                &["CLUSTER", "MEET", "127.0.0.1", &node.port().to_string(), bus],
            );
        }
        let cluster = Self {
            nodes,
            _folder: folder,
        };
        cluster.wait_until_whole();
        cluster
    }

    /// Waits until each node sees all three and all slots.
    pub fn wait_until_whole(&self) {
        let deadline = Instant::now() + DEADLINE;
        for node in &self.nodes {
            loop {
                let info = node.cli(&["CLUSTER", "INFO"]);
                let whole = [
                    "cluster_state:ok",
                    "cluster_slots_ok:16384",
                    "cluster_known_nodes:3",
                ];
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
        let others = (0..3).filter(|node| *node != to && *node != from);
        let deadline = Instant::now() + DEADLINE;
        for node in [to, from].into_iter().chain(others) {
            ok(&self.nodes[node], &["CLUSTER", "SETSLOT", &name, "NODE", &id]);
        }
        // What the nodes tell each other may be of before.
        while let Some(node) = (0..3).find(|node| self.owner_for(*node, slot) != Some(to)) {
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
