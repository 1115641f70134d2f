//! All the keys that a template can give, and all that a pattern matches, as automata over bytes; two of them are
//! compared by what both accept. They know no types: a placeholder takes whatever a
//! [`KeyWriter`](crate::KeyWriter) can write as one value. Invariant: what is rendered is accepted, so "nothing in
//! common" is certain. A key that was too long is judged by its whole text, which its digest is of.

use std::collections::{HashMap, VecDeque};

use crate::glob;
use crate::key::is_plain;

/// A set of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Bytes([u64; 4]);

impl Bytes {
    fn of(holds: impl Fn(u8) -> bool) -> Self {
        let mut set = Self::default();
        for byte in (0..=u8::MAX).filter(|byte| holds(*byte)) {
            if let Some(word) = set.0.get_mut(usize::from(byte >> 6)) {
                *word |= 1 << (byte & 63);
            }
        }
        set
    }

    fn has(self, byte: u8) -> bool {
        let word = self.0.get(usize::from(byte >> 6)).copied().unwrap_or_default();
        word >> (byte & 63) & 1 == 1
    }

    /// A byte of both, one that reads well if there is one.
    fn shared(self, other: Self) -> Option<u8> {
        if self
            .0
            .iter()
            .zip(other.0)
            .all(|(mine, theirs)| mine & theirs == 0)
        {
            return None;
        }
        let mut readable = (b'0'..=b'9')
            .chain(b'a'..=b'z')
            .chain(b'A'..=b'Z')
            .chain(0..=u8::MAX);
        readable.find(|byte| self.has(*byte) && other.has(*byte))
    }
}

/// A part of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Byte(u8),
    /// A value, and the byte of the template that ends it; that one is escaped in it. Zero for none.
    Value(Filter, u8),
    /// The type of a method, as a part of its namespace.
    Type,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Filter {
    None,
    Lower,
    /// `:hash`, and the digest of all arguments.
    Hash,
}

/// The texts of one kind.
#[derive(Debug)]
pub(super) struct Language {
    /// By state, what leads to which other one. It begins in the first and ends in the last.
    edges: Vec<Vec<(Bytes, usize)>>,
}

/// Where two automata are, side by side.
type States = (usize, usize);

impl Language {
    /// The keys of a template, or the tags. The placeholder that is named in `digest` is the digest of all arguments.
    pub(super) fn of_template(template: &str, digest: Option<&str>) -> Self {
        Self::of_parts(&parts(template, digest))
    }

    /// The keys of a method whose namespace is its path.
    pub(super) fn of_method(module: &str, name: &str, rest: &str) -> Self {
        let mut all: Vec<Part> = module.replace("::", ".").bytes().map(Part::Byte).collect();
        all.push(Part::Byte(b'.'));
        all.push(Part::Type);
        all.push(Part::Byte(b'.'));
        all.extend(name.bytes().map(Part::Byte));
        all.extend(parts(rest, None));
        Self::of_parts(&all)
    }

    /// All keys that a pattern of an invalidator can match, whatever its values are.
    pub(super) fn of_pattern(pattern: &str) -> Self {
        let mut language = Self::empty();
        let all = parts(pattern, None);
        let mut rest = all.as_slice();
        let mut unended = false;
        while let Some((first, behind)) = rest.split_first() {
            rest = behind;
            match *first {
                Part::Byte(b'*') => language.many(Bytes::of(|_| true)),
                Part::Byte(b'?') => language.one(Bytes::of(|_| true)),
                Part::Byte(b'[') => {
                    let Some((set, used)) = class(behind) else {
                        language.many(Bytes::of(|_| true));
                        break;
                    };
                    language.one(set);
                    rest = behind.get(used..).unwrap_or_default();
                }
                // A value has no byte that a pattern takes for anything but itself.
                Part::Byte(b'\\') if !behind.is_empty() => {
                    if let Some((Part::Byte(byte), behind)) = behind.split_first() {
                        language.byte(*byte);
                        rest = behind;
                    }
                }
                part => {
                    language.part(part, unended);
                    unended = matches!(part, Part::Value(..));
                    continue;
                }
            }
            unended = false;
        }
        language
    }

    /// A text that both have, the shortest one.
    pub(super) fn common(&self, other: &Self) -> Option<String> {
        let last = (self.edges.len() - 1, other.edges.len() - 1);
        let mut from: HashMap<States, (States, u8)> = HashMap::new();
        let mut queue = VecDeque::from([(0, 0)]);
        while let Some(pair) = queue.pop_front() {
            if pair == last {
                return Some(way(&from, pair));
            }
            let (Some(mine), Some(theirs)) = (self.edges.get(pair.0), other.edges.get(pair.1)) else {
                continue;
            };
            for (set, to) in mine {
                for (other_set, other_to) in theirs {
                    let next = (*to, *other_to);
                    if next == (0, 0) || from.contains_key(&next) {
                        continue;
                    }
                    if let Some(byte) = set.shared(*other_set) {
                        from.insert(next, (pair, byte));
                        queue.push_back(next);
                    }
                }
            }
        }
        None
    }

    fn empty() -> Self {
        Self {
            edges: vec![Vec::new()],
        }
    }

    fn of_parts(parts: &[Part]) -> Self {
        let mut language = Self::empty();
        let mut unended = false;
        for part in parts {
            language.part(*part, unended);
            unended = matches!(part, Part::Value(..));
        }
        language
    }

    /// The state that is reached so far.
    fn last(&self) -> usize {
        self.edges.len() - 1
    }

    fn state(&mut self) -> usize {
        self.edges.push(Vec::new());
        self.last()
    }

    fn edge(&mut self, from: usize, set: Bytes, to: usize) {
        if let Some(edges) = self.edges.get_mut(from) {
            edges.push((set, to));
        }
    }

    fn one(&mut self, set: Bytes) {
        let from = self.last();
        let to = self.state();
        self.edge(from, set, to);
    }

    fn many(&mut self, set: Bytes) {
        let at = self.last();
        self.edge(at, set, at);
    }

    fn byte(&mut self, byte: u8) {
        self.one(Bytes::of(|other| other == byte));
    }

    /// `unended`: a value stands directly before this part.
    fn part(&mut self, part: Part, unended: bool) {
        match part {
            Part::Byte(byte) => self.byte(byte),
            Part::Type => {
                let set = Bytes::of(|byte| {
                    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'%') || !byte.is_ascii()
                });
                self.one(set);
                self.many(set);
            }
            Part::Value(filter, end) => {
                if unended {
                    self.byte(b'%');
                    self.byte(b'.');
                }
                if filter == Filter::Hash {
                    for _ in 0..32 {
                        self.one(Bytes::of(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')));
                    }
                } else {
                    self.value(filter, end);
                }
            }
        }
    }

    /// At least one of: a plain byte, what a list is written with, an escape, a mark.
    fn value(&mut self, filter: Filter, end: u8) {
        let start = self.last();
        let escape = self.state();
        let halves: Vec<usize> = (0..16).map(|_| self.state()).collect();
        let behind = self.state();
        let plain = Bytes::of(|byte| {
            // Brackets and commas of a list are written whatever follows it.
            matches!(byte, b'(' | b')' | b',')
                || is_plain(byte) && byte != end && !(filter == Filter::Lower && byte.is_ascii_uppercase())
        });
        let percent = Bytes::of(|byte| byte == b'%');
        for from in [start, behind] {
            self.edge(from, plain, behind);
            self.edge(from, percent, escape);
        }
        self.edge(
            escape,
            Bytes::of(|byte| matches!(byte, b'e' | b'n' | b's' | b'.')),
            behind,
        );
        for (high, half) in (0..16).zip(halves) {
            let escaped = |low: u8| {
                let byte = high << 4 | low;
                !is_plain(byte) || byte == end || byte == b','
            };
            let lows = Bytes::of(|byte| digit(byte).is_some_and(escaped));
            self.edge(escape, Bytes::of(|byte| digit(byte) == Some(high)), half);
            self.edge(half, lows, behind);
        }
    }
}

/// How a pair of states was reached.
fn way(from: &HashMap<States, (States, u8)>, mut pair: States) -> String {
    let mut bytes = Vec::new();
    while let Some((before, byte)) = from.get(&pair) {
        bytes.push(*byte);
        pair = *before;
    }
    bytes.reverse();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The value of a hexadecimal digit as escapes have them.
fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// What a bracket class matches, and how many parts it takes, from behind its `[`. Nothing for one with a value in it:
/// where that ends depends on the value.
fn class(parts: &[Part]) -> Option<(Bytes, usize)> {
    let text: Vec<u8> = parts
        .iter()
        .map_while(|part| match part {
            Part::Byte(byte) => Some(*byte),
            Part::Value(..) | Part::Type => None,
        })
        .collect();
    let (_, used) = glob::class(&text, 0);
    // It is closed if more text behind it makes no difference.
    let closed = glob::class(&[text.as_slice(), b"]"].concat(), 0).1 == used;
    (closed || text.len() == parts.len()).then(|| (Bytes::of(|byte| glob::class(&text, byte).0), used))
}

/// The parts of a template that the attribute has checked.
fn parts(template: &str, digest: Option<&str>) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut rest = template;
    while let Some(first) = rest.bytes().next() {
        let placeholder = rest.strip_prefix('{').and_then(|inner| inner.split_once('}'));
        let Some((inner, behind)) = placeholder else {
            parts.push(Part::Byte(first));
            // In the middle of a character there is no text; its other bytes are taken with its first.
            let mut chars = rest.chars();
            let bytes = chars.next().map_or(0, char::len_utf8);
            parts.extend(rest.bytes().take(bytes).skip(1).map(Part::Byte));
            rest = chars.as_str();
            continue;
        };
        let filter = match inner.split_once(':') {
            Some((_, "hash")) => Filter::Hash,
            Some((_, "lower")) => Filter::Lower,
            _ if digest == Some(inner) => Filter::Hash,
            _ => Filter::None,
        };
        let end = behind.bytes().next().filter(|byte| !matches!(byte, b':' | b'{'));
        parts.push(Part::Value(filter, end.unwrap_or(0)));
        rest = behind;
    }
    parts
}
