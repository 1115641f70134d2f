//! Who leaves next, for each eviction policy. It holds no entries, only (hash, id) pairs that may be out of date.
//! Invariant: every live entry has exactly one record here, so each of them can be chosen.
//!
//! A hit moves nothing: it raises a number in the entry. A record keeps the number of the time it was filed; a victim
//! whose number has risen since is filed again under its current one. As numbers only rise, the first record that is
//! still up to date is the true minimum. `Lfu` is frequency with dynamic aging: the priority of an entry is its number
//! of uses, counted up to 32, plus the priority that the last victim had.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use crate::config::EvictionPolicy;

/// The uses that `Lfu` counts at most, so that what was popular long ago makes room.
pub(super) const MOST_USES: u64 = 32;
/// How many records one eviction files again at most; the next one is taken whatever its number.
const REFILED: usize = 64;

/// Where a record points to: the hash and the id of an entry.
pub(super) type Pointer = (u64, u64);

#[derive(Debug)]
pub(super) enum Order {
    /// By a number that hits raise: the time of use, or the frequency.
    Ranked {
        heap: BinaryHeap<Reverse<(u64, u64, Pointer)>>,
        filed: u64,
        exact: bool,
    },
    /// In the order of insertion.
    Queue(VecDeque<Pointer>),
    /// In no order.
    Bag { pointers: Vec<Pointer>, random: u64 },
}

/// What a record's entry is worth now.
pub(super) enum Rank {
    /// The entry is no longer there.
    Gone,
    At(u64),
}

impl Order {
    pub(super) fn new(policy: EvictionPolicy) -> Self {
        match policy {
            EvictionPolicy::Lru => Self::Ranked {
                heap: BinaryHeap::new(),
                filed: 0,
                exact: true,
            },
            EvictionPolicy::Lfu => Self::Ranked {
                heap: BinaryHeap::new(),
                filed: 0,
                exact: false,
            },
            EvictionPolicy::Fifo => Self::Queue(VecDeque::new()),
            EvictionPolicy::Random => Self::Bag {
                pointers: Vec::new(),
                random: crate::generations::fresh_nonce(),
            },
        }
    }

    pub(super) fn push(&mut self, rank: u64, pointer: Pointer) {
        match self {
            Self::Ranked { heap, filed, .. } => {
                *filed += 1;
                heap.push(Reverse((rank, *filed, pointer)));
            }
            Self::Queue(queue) => queue.push_back(pointer),
            Self::Bag { pointers, .. } => pointers.push(pointer),
        }
    }

    /// Takes out the next victim, with the rank it was filed under.
    pub(super) fn pop(&mut self, rank_of: impl Fn(Pointer) -> Rank) -> Option<(u64, Pointer)> {
        match self {
            Self::Ranked { heap, filed, exact } => {
                let mut refiled = 0;
                while let Some(Reverse((rank, _, pointer))) = heap.pop() {
                    match rank_of(pointer) {
                        Rank::Gone => {}
                        Rank::At(current) if current > rank && (*exact || refiled < REFILED) => {
                            refiled += 1;
                            *filed += 1;
                            heap.push(Reverse((current, *filed, pointer)));
                        }
                        Rank::At(_) => return Some((rank, pointer)),
                    }
                }
                None
            }
            Self::Queue(queue) => {
                while let Some(pointer) = queue.pop_front() {
                    if matches!(rank_of(pointer), Rank::At(_)) {
                        return Some((0, pointer));
                    }
                }
                None
            }
            Self::Bag { pointers, random } => {
                while !pointers.is_empty() {
                    *random ^= *random << 13;
                    *random ^= *random >> 7;
                    *random ^= *random << 17;
                    let pointer = pointers.swap_remove((*random % pointers.len() as u64) as usize);
                    if matches!(rank_of(pointer), Rank::At(_)) {
                        return Some((0, pointer));
                    }
                }
                None
            }
        }
    }

    /// Drops the records whose entries are gone, when they have become the larger part.
    pub(super) fn tidy(&mut self, live: usize, rank_of: impl Fn(Pointer) -> Rank) {
        let keep = |pointer: &Pointer| matches!(rank_of(*pointer), Rank::At(_));
        let limit = live * 2 + 64;
        match self {
            Self::Ranked { heap, .. } if heap.len() > limit => {
                heap.retain(|Reverse((_, _, pointer))| keep(pointer));
            }
            Self::Queue(queue) if queue.len() > limit => queue.retain(keep),
            Self::Bag { pointers, .. } if pointers.len() > limit => pointers.retain(keep),
            _ => {}
        }
    }

    pub(super) fn clear(&mut self) {
        match self {
            Self::Ranked { heap, .. } => heap.clear(),
            Self::Queue(queue) => queue.clear(),
            Self::Bag { pointers, .. } => pointers.clear(),
        }
    }
}
