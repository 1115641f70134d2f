//! Invalidations that the shared tier has not taken yet. Nobody sends them from here; whoever does takes the oldest first.
//! Invariant: until a name is removed or expires, whatever it is about is covered. There is room for a bounded number of names;
//! beyond it, all of them are replaced by one that is about everything.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::remove::Name;
use crate::{clock, glob};

/// The most names that wait.
const MOST: usize = 10_000;
/// The most patterns among them: each is held against every key that is read meanwhile.
const MOST_PATTERNS: usize = 100;
/// How long a name is repeated, in milliseconds: longer than entries live by default.
const GIVE_UP: u64 = 30 * 86_400_000;

#[derive(Debug, Default)]
pub(crate) struct Pending {
    queue: Mutex<Queue>,
    /// The number of names, for those who only want to know whether there are any.
    len: AtomicUsize,
    /// Whether the task that sends them runs.
    pub(super) running: AtomicBool,
}

#[derive(Debug, Default)]
struct Queue {
    /// By the order in which they came.
    names: BTreeMap<u64, Waiting>,
    /// The numbers in that order, by what the names are about.
    keys: HashMap<String, u64>,
    generations: HashMap<String, u64>,
    patterns: HashMap<String, u64>,
    everything: Option<u64>,
    added: u64,
}

/// A name that waits to be told.
#[derive(Debug, Clone)]
pub(super) struct Waiting {
    pub(super) name: Name,
    /// When it is given up.
    pub(super) until: u64,
    pub(super) number: u64,
}

impl Queue {
    fn take(&mut self, number: u64) -> Option<Waiting> {
        let waiting = self.names.remove(&number)?;
        match &waiting.name {
            Name::Key(key) => drop(self.keys.remove(key)),
            Name::Pattern(pattern) => drop(self.patterns.remove(pattern)),
            Name::Generation(name, _) => drop(self.generations.remove(name)),
            Name::All => self.everything = None,
        }
        Some(waiting)
    }

    /// The number under which the same is waiting already.
    fn like(&self, name: &Name) -> Option<u64> {
        match name {
            Name::Key(key) => self.keys.get(key).copied(),
            Name::Pattern(pattern) => self.patterns.get(pattern).copied(),
            Name::Generation(name, _) => self.generations.get(name).copied(),
            Name::All => self.everything,
        }
    }

    fn put(&mut self, name: Name, until: u64) {
        self.added += 1;
        let number = self.added;
        match &name {
            Name::Key(key) => drop(self.keys.insert(key.clone(), number)),
            Name::Pattern(pattern) => drop(self.patterns.insert(pattern.clone(), number)),
            Name::Generation(name, _) => drop(self.generations.insert(name.clone(), number)),
            Name::All => self.everything = Some(number),
        }
        self.names.insert(number, Waiting { name, until, number });
    }
}

impl Pending {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the queue, and what is known of it without its lock.
    fn change<T>(&self, change: impl FnOnce(&mut Queue) -> T) -> T {
        let mut queue = self.lock();
        let result = change(&mut queue);
        self.len.store(queue.names.len(), Ordering::SeqCst);
        result
    }

    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::SeqCst)
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a key may not be read from the shared tier, because its invalidation is still to come.
    pub(crate) fn covers(&self, key: &str) -> bool {
        if self.is_empty() {
            return false;
        }
        let queue = self.lock();
        queue.everything.is_some()
            || queue.keys.contains_key(key)
            || (!queue.patterns.is_empty() && crate::key::is_shortened(key))
            || queue
                .patterns
                .keys()
                .any(|pattern| glob::matches(pattern.as_bytes(), key.as_bytes()))
    }

    /// Whether the nonce of a generation is still to be told.
    pub(crate) fn covers_generation(&self, generation: &str) -> bool {
        if self.is_empty() {
            return false;
        }
        let queue = self.lock();
        queue.everything.is_some() || queue.generations.contains_key(generation)
    }

    /// Adds a name behind all others. What is about the same, or a part of it, and came earlier is taken out.
    pub(super) fn add(&self, name: Name) {
        self.change(|queue| {
            if let Some(number) = queue.like(&name) {
                queue.take(number);
            }
            let full = queue.names.len() >= MOST
                || (matches!(name, Name::Pattern(_)) && queue.patterns.len() >= MOST_PATTERNS);
            let name = if full || matches!(name, Name::All) {
                let added = queue.added;
                *queue = Queue {
                    added,
                    ..Queue::default()
                };
                Name::All
            } else {
                name
            };
            queue.put(name, clock::now() + GIVE_UP);
        });
    }

    /// The one that has waited longest.
    pub(super) fn first(&self) -> Option<Waiting> {
        self.lock()
            .names
            .first_key_value()
            .map(|(_, first)| first.clone())
    }

    pub(super) fn remove(&self, number: u64) {
        self.change(|queue| drop(queue.take(number)));
    }

    /// Has the others come first.
    pub(super) fn postpone(&self, number: u64) {
        self.change(|queue| {
            if let Some(waiting) = queue.take(number) {
                queue.put(waiting.name, waiting.until);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(key: &str) -> Name {
        Name::Key(key.to_owned())
    }

    fn pattern(pattern: &str) -> Name {
        Name::Pattern(pattern.to_owned())
    }

    #[test]
    fn l4_what_is_pending_is_covered_until_it_is_removed() {
        let pending = Pending::default();
        pending.add(key("a:1"));
        pending.add(pattern("b:*"));
        pending.add(Name::tag("t"));
        assert!(pending.covers("a:1") && pending.covers("b:7") && pending.covers_generation("%tag:t"));
        assert!(!pending.covers("a:2") && !pending.covers_generation("%tag:u"));
        while let Some(first) = pending.first() {
            pending.remove(first.number);
        }
        assert!(!pending.covers("a:1") && !pending.covers("b:7") && !pending.covers_generation("%tag:t"));
        assert!(pending.is_empty());
    }

    #[test]
    fn l4_of_two_that_are_about_the_same_the_newer_waits() {
        let pending = Pending::default();
        pending.add(key("a"));
        pending.add(key("b"));
        let earlier = pending.first().map(|first| first.number);
        pending.add(key("a"));
        assert_eq!(pending.len(), 2);
        assert!(matches!(pending.first(), Some(Waiting { name: Name::Key(key), .. }) if key == "b"));
        // Whoever was sending the earlier one does not take the newer one away.
        pending.remove(earlier.unwrap_or_default());
        assert!(pending.covers("a"));
    }

    #[test]
    fn l4_what_is_about_everything_waits_for_nothing_that_came_earlier() {
        let pending = Pending::default();
        pending.add(key("a"));
        pending.add(Name::tag("t"));
        pending.add(Name::All);
        pending.add(key("b"));
        assert_eq!(pending.len(), 2);
        assert!(matches!(pending.first(), Some(Waiting { name: Name::All, .. })));
    }

    #[test]
    fn l4_more_than_there_is_room_for_is_everything() {
        let pending = Pending::default();
        for n in 0..=MOST {
            pending.add(key(&n.to_string()));
        }
        assert_eq!(pending.len(), 1);
        assert!(pending.covers("anything") && pending.covers_generation("%tag:t"));
        let pending = Pending::default();
        for n in 0..=MOST_PATTERNS {
            pending.add(pattern(&format!("{n}*")));
        }
        assert_eq!(pending.len(), 1);
        assert!(pending.covers("anything"));
    }

    #[test]
    fn one_that_is_refused_lets_the_others_come_first() {
        let pending = Pending::default();
        pending.add(key("a"));
        pending.add(key("b"));
        pending.postpone(pending.first().map_or(0, |first| first.number));
        assert!(matches!(pending.first(), Some(Waiting { name: Name::Key(key), .. }) if key == "b"));
        assert!(pending.covers("a"));
    }
}
