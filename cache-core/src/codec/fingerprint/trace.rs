//! What has been asked so far, as a graph, and what each place is answered in the next round.
//! Containers of one type are one node wherever they occur, so that a recursive type ends; single values are a node of
//! their own at each place. Invariant: a round that ends in [`Refusal::Handled`] has changed an answer that is never
//! changed back, so rounds end; and nodes and visits have a limit.

mod node;
mod refused;

use std::collections::BTreeMap;

use super::ask::{Answer, Ask};
use super::refusal::Refusal;
use node::Found;
pub(super) use node::{Edge, Frame, Node};

/// Containers inside each other; as many as the parser of JSON allows.
const MAX_DEPTH: usize = 128;
/// Places of one type.
const MAX_NODES: usize = 8192;
/// Questions answered in all rounds together.
const MAX_VISITS: usize = 200_000;
/// Names learnt for one map.
const MAX_FOUND: usize = 256;
/// How often a field was refused when no answer is left for it.
const DEAD: usize = usize::MAX;
/// How many elements a sequence gets, in the order of trying: some types refuse the shorter ones.
const LENGTHS: &[usize] = &[1, 2, 3, 4, 8, 16, 0];

/// The state of all rounds.
#[derive(Debug)]
pub(super) struct Trace {
    pub(super) nodes: Vec<Node>,
    /// The containers by what they ask and the name of their visitor's type. That name says only what is one node; it is
    /// no part of the fingerprint.
    shared: BTreeMap<(Ask, &'static str), usize>,
    /// The places that were answered in this round, in order, but for those inside of themselves.
    log: Vec<usize>,
    depth: usize,
    visits: usize,
    handled: bool,
}

impl Trace {
    pub(super) fn new() -> Self {
        let mut trace = Self {
            nodes: Vec::new(),
            shared: BTreeMap::new(),
            log: Vec::new(),
            depth: 0,
            visits: 0,
            handled: false,
        };
        // The whole, which is number 0 and contains the type.
        trace.add(Ask::Newtype);
        trace
    }

    /// Ends a round and says whether another one would show more.
    pub(super) fn again(&mut self, refusal: Option<Refusal>) -> bool {
        match refusal {
            Some(refusal) => {
                self.failed(0, refusal);
            }
            None => self.taken(0),
        }
        let more = self.visits < MAX_VISITS && (self.handled || self.explore(0));
        self.handled = false;
        self.log.clear();
        self.depth = 0;
        for node in &mut self.nodes {
            node.active = 0;
        }
        more
    }

    /// Where the log stands.
    pub(super) fn mark(&self) -> usize {
        self.log.len()
    }

    /// Notes what is asked at a place. `visitor` tells the types of containers apart.
    pub(super) fn enter(
        &mut self,
        parent: usize,
        edge: Edge,
        ask: Ask,
        visitor: &'static str,
    ) -> Result<Frame, Refusal> {
        self.visits += 1;
        if self.visits > MAX_VISITS || self.depth >= MAX_DEPTH {
            return Err(Refusal::Stuck);
        }
        let id = self.place(parent, edge, ask, visitor)?;
        self.depth += 1;
        let mark = self.log.len();
        let node = &mut self.nodes[id];
        let nested = node.active;
        node.active += 1;
        let mut pick = node.choice;
        if nested > 0 && !node.variants.is_empty() {
            pick = node.good.unwrap_or((pick + nested) % node.variants.len());
        }
        if nested == 0 {
            self.log.push(id);
        }
        Ok(Frame {
            id,
            mark,
            nested,
            pick,
        })
    }

    /// The node of a place. Ids come from here alone and no node is ever removed, so every id has its node.
    fn place(
        &mut self,
        parent: usize,
        edge: Edge,
        ask: Ask,
        visitor: &'static str,
    ) -> Result<usize, Refusal> {
        let known = self.nodes[parent]
            .children
            .iter()
            .find(|(at, id)| *at == edge && self.nodes[*id].ask == ask);
        if let Some((_, id)) = known {
            return Ok(*id);
        }
        let shareable = ask.answers().is_empty() && !visitor.is_empty();
        let shared = if shareable {
            self.shared.get(&(ask, visitor)).copied()
        } else {
            None
        };
        let id = match shared {
            Some(id) => id,
            None if self.nodes.len() >= MAX_NODES => return Err(Refusal::Stuck),
            None => self.add(ask),
        };
        if shareable {
            self.shared.insert((ask, visitor), id);
        }
        self.nodes[parent].children.push((edge, id));
        Ok(id)
    }

    fn add(&mut self, ask: Ask) -> usize {
        self.nodes.push(Node {
            ask,
            children: Vec::new(),
            choice: 0,
            spent: false,
            variants: if let Ask::Enum(variants) = ask {
                variants
            } else {
                &[]
            },
            done: false,
            good: None,
            active: 0,
            late: Vec::new(),
            found: Vec::new(),
            given: None,
        });
        self.nodes.len() - 1
    }

    /// Leaves a node; gives the refusal to pass on.
    pub(super) fn leave(&mut self, frame: Frame, refusal: Option<Refusal>) -> Option<Refusal> {
        self.depth = self.depth.saturating_sub(1);
        let node = &mut self.nodes[frame.id];
        node.active = node.active.saturating_sub(1);
        let Some(refusal) = refusal else {
            node.good.get_or_insert(frame.pick);
            return None;
        };
        let left = match (node.ask, refusal) {
            (_, Refusal::Handled) => Refusal::Handled,
            (Ask::Identifier, Refusal::Names(names)) if node.variants.is_empty() => {
                self.name(frame.id, names)
            }
            (Ask::Map, Refusal::Missing(_) | Refusal::Names(_) | Refusal::Answer) => {
                match self.map_refused(frame.id, refusal) {
                    Refusal::Handled => Refusal::Handled,
                    _ => self.failed(frame.mark, refusal),
                }
            }
            // All fields were given, but for those that no answer was found for.
            (Ask::Struct(_), Refusal::Missing(_)) => self.failed(frame.mark, Refusal::Stuck),
            (Ask::Struct(_) | Ask::Map, Refusal::Duplicate) => match node.given {
                Some(edge) => self.give_up(frame.id, edge),
                None => Refusal::Stuck,
            },
            _ => self.failed(frame.mark, refusal),
        };
        if left == Refusal::Stuck && frame.nested == 0 {
            Some(self.fall_back(frame.id))
        } else {
            Some(left)
        }
    }

    /// Notes that what was answered since `mark` was taken as a whole.
    pub(super) fn taken(&mut self, mark: usize) {
        for id in self.log.get(mark..).unwrap_or_default() {
            let names = self.nodes.get_mut(*id).map(|node| &mut node.found);
            names.into_iter().flatten().for_each(|found| found.settled = true);
        }
    }

    /// The variant that the tag of a map names in this round; empty without a tag.
    fn tag(&self, id: usize) -> &'static str {
        let tags = self.nodes[id]
            .children
            .iter()
            .filter(|(edge, _)| matches!(edge, Edge::Found("", _)));
        tags.filter_map(|(_, child)| self.nodes.get(*child))
            .find_map(|child| {
                child
                    .variants
                    .get(child.choice)
                    .filter(|_| !matches!(child.ask, Ask::Enum(_)))
            })
            .copied()
            .unwrap_or_default()
    }

    /// Ends a part of the container `id`, which was begun at `mark`; gives the refusal to pass on.
    pub(super) fn part(
        &mut self,
        id: usize,
        edge: Edge,
        mark: usize,
        refusal: Option<Refusal>,
    ) -> Option<Refusal> {
        let Some(refusal) = refusal else {
            self.taken(mark);
            return None;
        };
        let left = self.failed(mark, refusal);
        if left == Refusal::Stuck {
            return Some(self.give_up(id, edge));
        }
        if let Edge::Field(name) = edge {
            let late = self.late(id, name);
            // One that was given up meanwhile stays so.
            *late = late.saturating_add(1);
        }
        Some(left)
    }

    /// Notes what is given to a struct or a map.
    pub(super) fn give(&mut self, id: usize, edge: Edge) {
        self.nodes[id].given = Some(edge);
    }

    fn late(&mut self, id: usize, name: &'static str) -> &mut usize {
        let late = &mut self.nodes[id].late;
        let at = late
            .iter()
            .position(|(field, _)| *field == name)
            .unwrap_or_else(|| {
                late.push((name, 0));
                late.len() - 1
            });
        &mut late[at].1
    }

    /// What is answered at a place of a single value.
    pub(super) fn answer(&self, frame: Frame) -> Answer {
        self.answer_of(frame.id).unwrap_or(Answer::Unit)
    }

    fn answer_of(&self, id: usize) -> Option<Answer> {
        let node = self.nodes.get(id)?;
        if matches!(node.ask, Ask::Enum(_)) {
            return None;
        }
        match node.variants.get(node.choice) {
            Some(name) => Some(Answer::Str(name)),
            None => node.ask.answers().get(node.choice).copied(),
        }
    }

    /// The variant to answer with. A value inside a value of the same type takes another one, or one that ends.
    pub(super) fn variant(&self, frame: Frame) -> Option<&'static str> {
        let variants = self.nodes[frame.id].variants;
        if frame.nested > variants.len() {
            None
        } else {
            variants.get(frame.pick).copied()
        }
    }

    /// Whether an option has something inside.
    pub(super) fn is_some(frame: Frame) -> bool {
        frame.nested == 0 && frame.pick == 0
    }

    /// How many elements a sequence has.
    pub(super) fn length(frame: Frame) -> usize {
        if frame.nested > 0 {
            0
        } else {
            LENGTHS.get(frame.pick).copied().unwrap_or_default()
        }
    }

    /// The fields to answer with, those that were refused last.
    pub(super) fn fields(&mut self, id: usize, fields: &[&'static str]) -> Vec<Edge> {
        let mut order: Vec<(usize, &'static str)> = fields
            .iter()
            .map(|name| (*self.late(id, name), *name))
            .filter(|(late, _)| *late != DEAD)
            .collect();
        order.sort_by_key(|(late, _)| *late);
        order.into_iter().map(|(_, name)| Edge::Field(name)).collect()
    }

    /// The entries of a map: one of any key where that is asked for, then the names that it turned out to need.
    pub(super) fn entries(&self, frame: Frame) -> Vec<Edge> {
        let node = &self.nodes[frame.id];
        let mut entries = Vec::new();
        if node.ask == Ask::Map && frame.nested == 0 && frame.pick == 0 {
            entries.push(Edge::Value);
        }
        let under = self.tag(frame.id);
        let known = |found: &&Found| !found.dead && found.applies(under);
        entries.extend(
            node.found
                .iter()
                .filter(|found| known(found) && found.settled)
                .map(Found::edge),
        );
        entries.extend(
            node.found
                .iter()
                .filter(known)
                .find(|found| !found.settled)
                .map(Found::edge),
        );
        entries
    }
}
