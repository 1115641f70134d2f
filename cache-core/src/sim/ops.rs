//! What happens in a schedule, and when: drawn from the seed before it starts, so that the course of events does not
//! change what is to come. Invariant: in fair weather nothing is drawn that only foul weather brings.

use super::rng::Rng;
use super::setup::{EACH, IN_BACKGROUND, LEASE, Setup, Weather};
use super::world::KEYS;

/// How long a schedule goes on, in milliseconds.
const LENGTH: u64 = 1200;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Value,
    Error,
    Panic,
}

/// A call of a function.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call {
    pub(super) node: usize,
    pub(super) key: usize,
    /// Which other keys it is about too, after that one.
    pub(super) also: [bool; KEYS],
    pub(super) refresh: bool,
    /// How long its run takes, if it comes to that.
    pub(super) wait: u64,
    pub(super) outcome: Outcome,
    /// When the caller leaves, counted from its start.
    pub(super) leaves: Option<u64>,
    /// From when to when it is not polled, counted from its start.
    pub(super) stalls: Option<(u64, u64)>,
}

impl Call {
    /// All keys that it is about.
    pub(super) fn keys(&self) -> Vec<usize> {
        let others = (0..KEYS).filter(|key| self.also[*key]);
        std::iter::once(self.key).chain(others).collect()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    Key(usize),
    Tag,
    /// The namespace of the function of a key.
    Space(usize),
    /// The function of a key.
    Function(usize),
    /// A pattern that matches the keys of a function.
    Pattern(usize),
    All,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Op {
    Call(Call),
    Invalidate {
        node: usize,
        target: Target,
        leaves: Option<u64>,
    },
    Crash {
        node: usize,
    },
    Lose {
        node: usize,
        notice: u64,
        back: u64,
    },
    /// A foreign program deletes a key.
    Delete {
        key: usize,
    },
    /// A nonce of a key is gone.
    LoseNonce {
        key: usize,
        which: usize,
    },
    Flush,
    Down {
        length: u64,
    },
}

/// The operations of a schedule with their times.
pub(super) fn draw(rng: &mut Rng, setup: &Setup) -> Vec<(u64, Op)> {
    if setup.weather == Weather::Herd {
        return herd(rng, setup);
    }
    let mut ops = Vec::new();
    let mut at = 0;
    let count = rng.between(20, 60);
    for _ in 0..count {
        at += match rng.below(10) {
            0..5 => 0,
            5..7 => rng.between(1, 5),
            _ => rng.between(5, 2 * LENGTH * 10 / (3 * count)),
        };
        ops.push((at, op(rng, setup)));
    }
    ops
}

/// Callers for cold keys, all of whom come before the first load can have ended.
fn herd(rng: &mut Rng, setup: &Setup) -> Vec<(u64, Op)> {
    let mut ops = Vec::new();
    for _ in 0..rng.between(10, 30) {
        let key = rng.index(setup.keys.len());
        let call = Call {
            node: rng.index(setup.nodes),
            key,
            also: others(rng, setup, key),
            refresh: false,
            wait: rng.between(30, 140),
            outcome: Outcome::Value,
            leaves: None,
            stalls: None,
        };
        ops.push((rng.below(28), Op::Call(call)));
    }
    ops.sort_by_key(|(at, _)| *at);
    ops
}

/// The other elements of a call, where it is one with many.
fn others(rng: &mut Rng, setup: &Setup, key: usize) -> [bool; KEYS] {
    let mut others = [false; KEYS];
    if setup.keys[key].site == EACH {
        for (other, is_one) in others.iter_mut().enumerate().take(setup.keys.len()) {
            *is_one = other != key && setup.keys[other].site == EACH && rng.chance(60);
        }
    }
    others
}

fn op(rng: &mut Rng, setup: &Setup) -> Op {
    let node = rng.index(setup.nodes);
    let key = rng.index(setup.keys.len());
    let rough = setup.weather != Weather::Calm;
    let stormy = matches!(setup.weather, Weather::Storm | Weather::Outage);
    match rng.below(100) {
        70..85 => {}
        85..88 if stormy => return Op::Crash { node },
        88..92 if stormy => {
            let (notice, back) = (rng.below(60), rng.below(150));
            return Op::Lose { node, notice, back };
        }
        92..94 if stormy => return Op::Delete { key },
        94..97 if stormy => {
            let which = rng.index(setup.keys[key].names.len());
            return Op::LoseNonce { key, which };
        }
        97 if stormy => return Op::Flush,
        98.. if setup.weather == Weather::Outage => {
            return Op::Down {
                length: rng.between(20, 300),
            };
        }
        _ => {
            let outcome = match rng.below(100) {
                0..15 if rough => Outcome::Error,
                15..18 if rough => Outcome::Panic,
                _ => Outcome::Value,
            };
            let stalls = (rough && rng.chance(6)).then(|| {
                let from = rng.below(60);
                (from, from + rng.between(20, 3 * LEASE))
            });
            return Op::Call(Call {
                node,
                key,
                also: others(rng, setup, key),
                refresh: setup.refreshes && rng.chance(10),
                wait: if rng.chance(20) {
                    rng.below(4)
                } else {
                    rng.below(250)
                },
                outcome,
                leaves: (rough && rng.chance(12)).then(|| rng.below(200)),
                // What goes on in the background is polled by the runtime.
                stalls: stalls.filter(|_| !IN_BACKGROUND[setup.keys[key].site]),
            });
        }
    }
    let target = match rng.below(100) {
        0..50 => Target::Key(key),
        50..70 => Target::Tag,
        70..80 => Target::Space(key),
        80..88 => Target::Function(key),
        88..96 => Target::Pattern(key),
        _ => Target::All,
    };
    Op::Invalidate {
        node,
        target,
        leaves: (rough && rng.chance(5)).then(|| rng.below(20)),
    }
}
