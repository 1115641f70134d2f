//! A master with a replica, and three sentinels that watch them. Uses the standard library alone, as `redis_server` does.

use std::fmt;
use std::thread;
use std::time::Instant;

use super::redis_server::{DEADLINE, POLL, RedisServer};

/// Five servers: a master, its replica, and three sentinels that take the master for dead after half a second. Either of the
/// first two can become the master.
pub struct RedisSentinels {
    servers: [RedisServer; 2],
    sentinels: [RedisServer; 3],
}

impl RedisSentinels {
    /// The name that the sentinels know the master by.
    pub const MASTER: &'static str = "mymaster";

    /// Starts all of them, and waits until the sentinels know each other and the replica.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// The same, with further arguments for the two servers.
    pub fn start_with(arguments: &[&str]) -> Self {
        // A replica need not wait for others to join it.
        let mut all = vec!["--repl-diskless-sync-delay", "0"];
        all.extend(arguments);
        let master = RedisServer::start_with(&all);
        let port = master.port().to_string();
        all.extend(["--replicaof", "127.0.0.1", &port]);
        let replica = RedisServer::start_with(&all);
        // Sentinels that start earlier look for replicas again ten seconds later.
        until("the replica is in step", || {
            replica.cli(&["ROLE"]).contains("connected")
        });
        let name = Self::MASTER;
        let watch = format!(
            "sentinel monitor {name} 127.0.0.1 {port} 2\nsentinel down-after-milliseconds {name} 500\n\
             sentinel failover-timeout {name} 3000\nsentinel parallel-syncs {name} 1\n"
        );
        let group = Self {
            servers: [master, replica],
            sentinels: std::array::from_fn(|_| RedisServer::start_sentinel(&watch)),
        };
        for sentinel in &group.sentinels {
            until("the sentinels know each other", || {
                let known = sentinel.cli(&["SENTINEL", "MASTER", name]);
                let lines: Vec<&str> = known.lines().collect();
                let field = |name: &str, value: &str| lines.windows(2).any(|pair| pair == [name, value]);
                field("num-slaves", "1") && field("num-other-sentinels", "2") && field("flags", "master")
            });
        }
        group
    }

    /// The addresses of the sentinels, separated by commas.
    pub fn url(&self) -> String {
        let urls: Vec<String> = self.sentinels.iter().map(RedisServer::url).collect();
        urls.join(",")
    }

    /// The two servers, the first master first.
    pub fn servers(&self) -> &[RedisServer; 2] {
        &self.servers
    }

    /// The three sentinels.
    pub fn sentinels(&self) -> &[RedisServer; 3] {
        &self.sentinels
    }

    /// Has the sentinels make the other server the master while this one lives.
    pub fn fail_over(&self) {
        let answer = self.sentinels[0].cli(&["SENTINEL", "FAILOVER", Self::MASTER]);
        assert_eq!(answer, "OK", "`SENTINEL FAILOVER`");
    }

    /// Waits until all sentinels name this server as the master.
    pub fn wait_until_master(&self, server: &RedisServer) {
        let port = server.port().to_string();
        for sentinel in &self.sentinels {
            until("another server is the master", || {
                let address = sentinel.cli(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", Self::MASTER]);
                address.lines().nth(1) == Some(&port)
            });
        }
    }
}

impl fmt::Debug for RedisSentinels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisSentinels")
            .field("servers", &self.servers)
            .field("sentinels", &self.sentinels)
            .finish()
    }
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + 2 * DEADLINE;
    while !is_so() {
        assert!(Instant::now() < deadline, "still not: {what}");
        thread::sleep(10 * POLL);
    }
}
