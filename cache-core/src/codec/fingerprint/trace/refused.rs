//! What is answered differently after a refusal: another value, another variant, fewer parts, or no such field.
//! Invariant: what gives [`Refusal::Handled`] has used up an alternative, and none comes back.

use super::super::ask::{Answer, Ask};
use super::super::refusal::Refusal;
use super::node::{Edge, Found};
use super::{DEAD, LENGTHS, MAX_FOUND, Trace};

impl Trace {
    /// What to answer differently after a refusal of what was answered since `mark`.
    pub(super) fn failed(&mut self, mark: usize, refusal: Refusal) -> Refusal {
        if refusal == Refusal::Handled {
            return Refusal::Handled;
        }
        let since: Vec<usize> = self.log.get(mark..).unwrap_or_default().to_vec();
        if refusal != Refusal::Stuck {
            // A tagged enum reads the map whole and looks into it afterwards, outside of the place that gave it.
            let map = since
                .iter()
                .copied()
                .find(|id| self.answer_of(*id) == Some(Answer::Map));
            if let Some(map) = map
                && self.map_refused(map, refusal) == Refusal::Handled
            {
                return Refusal::Handled;
            }
            let mut moved = false;
            let mut leaves = since.clone();
            leaves.sort_unstable();
            leaves.dedup();
            for id in leaves {
                moved |= self.next_answer(id);
            }
            if moved {
                return self.handle();
            }
        }
        if self.explore(mark) {
            return self.handle();
        }
        if refusal != Refusal::Stuck {
            // What is built from a sequence may refuse its length.
            for id in since.into_iter().rev() {
                if self.fall_back(id) == Refusal::Handled {
                    return Refusal::Handled;
                }
            }
        }
        Refusal::Stuck
    }

    /// Goes on to the next variant at the last place since `mark` that has one left.
    pub(super) fn explore(&mut self, mark: usize) -> bool {
        let since: Vec<usize> = self.log.get(mark..).unwrap_or_default().to_vec();
        for id in since.into_iter().rev() {
            let node = &mut self.nodes[id];
            if node.variants.is_empty() || node.done {
                continue;
            }
            if node.choice + 1 < node.variants.len() {
                node.choice += 1;
                return true;
            }
            node.done = true;
            if let Some(good) = node.good
                && good != node.choice
            {
                node.choice = good;
                return true;
            }
        }
        false
    }

    /// Gives less where the parts were refused: no option, another number of elements.
    pub(super) fn fall_back(&mut self, id: usize) -> Refusal {
        let node = &mut self.nodes[id];
        let last = match node.ask {
            Ask::Option | Ask::Map => 1,
            Ask::Seq => LENGTHS.len() - 1,
            _ => 0,
        };
        if node.choice < last && node.variants.is_empty() {
            node.choice += 1;
            return self.handle();
        }
        Refusal::Stuck
    }

    fn handle(&mut self) -> Refusal {
        self.handled = true;
        Refusal::Handled
    }

    /// The next answer of a place, if it has one left.
    fn next_answer(&mut self, id: usize) -> bool {
        let node = &mut self.nodes[id];
        let count = node.ask.answers().len();
        if count == 0 || node.spent || !node.variants.is_empty() || !node.found.is_empty() {
            return false;
        }
        if node.choice + 1 < count {
            node.choice += 1;
            return true;
        }
        node.choice = 0;
        node.spent = true;
        false
    }

    /// A text turned out to name a variant.
    pub(super) fn name(&mut self, id: usize, names: &'static [&'static str]) -> Refusal {
        if names.is_empty() {
            return Refusal::Stuck;
        }
        let node = &mut self.nodes[id];
        node.variants = names;
        node.choice = 0;
        self.handle()
    }

    /// Learns from the refusal of a map which names it needs, and finds values for them one by one.
    pub(super) fn map_refused(&mut self, id: usize, refusal: Refusal) -> Refusal {
        let under = self.tag(id);
        let node = &mut self.nodes[id];
        let mut known = node.found.iter().filter(|found| found.applies(under));
        if let Refusal::Missing(name) = refusal
            && node.found.len() < MAX_FOUND
            && !known.clone().any(|found| found.name == name)
        {
            // What was given is taken, or this would not be what is missed.
            node.found.iter_mut().for_each(|found| found.settled = true);
            node.found.push(Found {
                under,
                name,
                settled: false,
                dead: false,
            });
            return self.handle();
        }
        let Some(tried) = known.find(|found| !found.settled).copied() else {
            return Refusal::Stuck;
        };
        let values: Vec<usize> = node
            .children
            .iter()
            .filter(|(edge, _)| *edge == tried.edge())
            .map(|(_, id)| *id)
            .collect();
        for value in values {
            if let (Refusal::Names(names), Some(Answer::Str(_))) = (refusal, self.answer_of(value))
                && self.nodes[value].variants.is_empty()
            {
                return self.name(value, names);
            }
            if self.next_answer(value) {
                return self.handle();
            }
        }
        self.give_up(id, tried.edge())
    }

    /// Leaves a field out from the next round on.
    pub(in crate::codec::fingerprint) fn give_up(&mut self, id: usize, edge: Edge) -> Refusal {
        match edge {
            Edge::Field(name) if *self.late(id, name) != DEAD => {
                *self.late(id, name) = DEAD;
                self.handle()
            }
            Edge::Found(under, name) => {
                let mut all = self.nodes[id].found.iter_mut();
                match all.find(|found| found.under == under && found.name == name && !found.dead) {
                    Some(found) => {
                        found.dead = true;
                        found.settled = true;
                        self.handle()
                    }
                    None => Refusal::Stuck,
                }
            }
            _ => Refusal::Stuck,
        }
    }
}
