//! What a schedule is about: the functions and the keys that its processes use, the bounds they are given, and how kind
//! the world is to them. Invariant: it is made of the seed alone and does not change while the schedule runs.

use std::time::Duration;

use super::rng::Rng;
use super::world::{KEYS, PREFIX};
use crate::config::{BackendMode, Config};
use crate::engine::info::FunctionInfo;
use crate::engine::remove::generation;
use crate::engine::site::Site;

/// The functions. The name of each is its namespace too.
pub(super) static SITES: [Site; 8] = [
    Site::new(FunctionInfo::cached("sim::plain", "plain:{id}", "u64").ttl_millis(400)),
    Site::new(
        FunctionInfo::cached("sim::again", "again:{id}", "u64")
            .ttl_millis(150)
            .stale_while_revalidate_millis(200),
    ),
    Site::new(
        FunctionInfo::cached("sim::failing", "failing:{id}", "u64")
            .ttl_millis(150)
            .stale_if_error_millis(300),
    ),
    Site::new(
        FunctionInfo::cached("sim::ahead", "ahead:{id}", "u64")
            .ttl_millis(200)
            .refresh_ahead_millionths(500_000),
    ),
    Site::new(
        FunctionInfo::cached("sim::soft", "soft:{id}", "u64")
            .ttl_millis(150)
            .stale_if_error_millis(300)
            .soft_timeout_millis(40),
    ),
    Site::new(
        FunctionInfo::cached("sim::hard", "hard:{id}", "u64")
            .ttl_millis(200)
            .stale_if_error_millis(200)
            .hard_timeout_millis(250),
    ),
    Site::new(
        FunctionInfo::cached("sim::afar", "afar:{id}", "u64")
            .ttl_millis(300)
            .redis_only(),
    ),
    Site::new(
        FunctionInfo::cached("sim::each", "each:{id}", "u64")
            .ttl_millis(200)
            .stale_if_error_millis(200),
    ),
];

/// The function that is called with many elements.
pub(super) const EACH: usize = 7;

/// The functions that go on after their caller has been served.
pub(super) const IN_BACKGROUND: [bool; 8] = [false, true, false, true, true, false, false, false];

/// How long past its TTL a value of a function may be served.
pub(super) const WINDOWS: [u64; 8] = [0, 200, 300, 0, 300, 200, 0, 200];

/// The namespaces of the functions.
pub(super) const SPACES: [&str; 8] = [
    "plain", "again", "failing", "ahead", "soft", "hard", "afar", "each",
];

/// The tag that some keys have.
pub(super) const TAG: &str = "red";

/// A key that is read and invalidated.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) site: usize,
    pub(super) id: u64,
    pub(super) tagged: bool,
    pub(super) text: String,
    /// As Redis has it.
    pub(super) full: String,
    /// The generations of its entry.
    pub(super) names: Vec<String>,
}

/// How kind the world is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weather {
    /// Many callers come for cold keys, and nothing else happens.
    Herd,
    /// Calls and invalidations, with delays.
    Calm,
    /// Loads fail, callers leave, leaders are not polled.
    Rough,
    /// Processes crash, the channel breaks, Redis loses things.
    Storm,
    /// And Redis answers late or not at all.
    Outage,
}

#[derive(Debug)]
pub(super) struct Setup {
    pub(super) weather: Weather,
    pub(super) nodes: usize,
    pub(super) keys: Vec<Key>,
    /// Whether errors are shared by those who wait.
    pub(super) shares: bool,
    /// Whether the commands of a process take effect in the order in which they were sent.
    pub(super) in_order: bool,
    /// Whether some calls load whatever is there.
    pub(super) refreshes: bool,
}

pub(super) const LEASE: u64 = 100;
pub(super) const MEMORY_TTL: u64 = 300;
pub(super) const DEGRADED_TTL: u64 = 50;
pub(super) const OP_BUDGET: u64 = 60;

impl Setup {
    pub(super) fn new(rng: &mut Rng) -> Self {
        let weather = match rng.below(16) {
            0 => Weather::Herd,
            1..=4 => Weather::Calm,
            5..=8 => Weather::Rough,
            9..=12 => Weather::Storm,
            _ => Weather::Outage,
        };
        let nodes = if rng.chance(10) {
            4
        } else {
            rng.between(2, 3) as usize
        };
        let first = rng.index(SITES.len());
        let keys = (0..rng.between(2, KEYS as u64))
            .map(|id| {
                // Some share a function, and all of them one that is called with many.
                let site = if id < 2 || first == EACH {
                    first
                } else {
                    rng.index(SITES.len())
                };
                key(site, id, id != 1)
            })
            .collect();
        Self {
            weather,
            nodes,
            keys,
            shares: rng.chance(70),
            in_order: rng.chance(70),
            refreshes: rng.chance(40),
        }
    }

    pub(super) fn config() -> Config {
        Config {
            backend: BackendMode::Tiered,
            op_budget: Duration::from_millis(OP_BUDGET),
            memory_ttl: Duration::from_millis(MEMORY_TTL),
            degraded_ttl: Duration::from_millis(DEGRADED_TTL),
            lease: Duration::from_millis(LEASE),
            stale_throttle: Duration::from_millis(80),
            key_prefix: PREFIX.trim_end_matches(':').to_owned(),
            shards: Some(1),
            ..Config::defaults()
        }
    }
}

fn key(site: usize, id: u64, tagged: bool) -> Key {
    let space = SPACES[site];
    let text = format!("{space}:{id}");
    let mut names = vec![
        generation::of_function(SITES[site].path, SITES[site].template, space),
        generation::of_namespace(space),
    ];
    if tagged {
        names.push(generation::of_tag(TAG));
    }
    Key {
        site,
        id,
        tagged,
        full: format!("{PREFIX}{text}"),
        text,
        names,
    }
}
