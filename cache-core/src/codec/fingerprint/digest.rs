//! The bytes of a trace, the same in every process and on every platform, and their digest.
//! Nodes are numbered as they are met from the whole on, widest first; numbers are 32 bits, little-endian; names come
//! with their length, and the names of a list are sorted, since JSON has fields in any order.

use std::collections::{BTreeMap, VecDeque};

use sha2::{Digest, Sha256};

use super::ask::Ask;
use super::trace::{Edge, Node};

/// Changes with the algorithm, so that no fingerprint of another one is taken for one of this.
const ALGORITHM: u8 = 1;

/// The fingerprint of a trace; never 0.
pub(super) fn of(nodes: &[Node]) -> u64 {
    let digest = Sha256::digest(bytes(nodes));
    digest
        .iter()
        .take(8)
        .rev()
        .fold(0, |number, byte| (number << 8) | u64::from(*byte))
        | 1
}

fn bytes(nodes: &[Node]) -> Vec<u8> {
    let mut out = vec![ALGORITHM];
    let mut numbers = BTreeMap::from([(0, 0)]);
    let mut queue = VecDeque::from([0]);
    while let Some(node) = queue.pop_front().and_then(|id: usize| nodes.get(id)) {
        out.extend(header(node));
        let mut children: Vec<(Edge, Vec<u8>, usize)> = node
            .children
            .iter()
            .filter_map(|(edge, id)| nodes.get(*id).map(|child| (*edge, header(child), *id)))
            .collect();
        children.sort();
        number(&mut out, children.len());
        for (at, _, id) in children {
            edge(&mut out, at);
            let next = numbers.len();
            let known = *numbers.entry(id).or_insert_with(|| {
                queue.push_back(id);
                next
            });
            number(&mut out, known);
        }
    }
    out
}

fn header(node: &Node) -> Vec<u8> {
    let mut out = vec![node.ask.tag()];
    match node.ask {
        Ask::Struct(fields) => names(&mut out, fields),
        Ask::Enum(variants) => names(&mut out, variants),
        Ask::Tuple(length) => number(&mut out, length),
        Ask::Identifier => names(&mut out, node.variants),
        Ask::Any => {
            names(&mut out, node.variants);
            // The first answer that was taken is all that is known of it.
            let taken = if node.variants.is_empty() { node.choice } else { 0 };
            number(&mut out, taken);
            out.push(u8::from(node.spent));
        }
        _ => {}
    }
    out
}

fn edge(out: &mut Vec<u8>, edge: Edge) {
    match edge {
        Edge::Inside => out.push(1),
        Edge::Element => out.push(2),
        Edge::Index(index) => {
            out.push(3);
            number(out, index);
        }
        Edge::Key => out.push(4),
        Edge::Value => out.push(5),
        Edge::Field(name) => {
            out.push(6);
            text(out, name);
        }
        Edge::Variant(name) => {
            out.push(7);
            text(out, name);
        }
        Edge::Found(under, name) => {
            out.push(8);
            text(out, under);
            text(out, name);
        }
    }
}

fn names(out: &mut Vec<u8>, names: &[&str]) {
    let mut sorted = names.to_vec();
    sorted.sort_unstable();
    number(out, sorted.len());
    for name in sorted {
        text(out, name);
    }
}

fn text(out: &mut Vec<u8>, text: &str) {
    number(out, text.len());
    out.extend_from_slice(text.as_bytes());
}

fn number(out: &mut Vec<u8>, number: usize) {
    out.extend_from_slice(&u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes());
}
