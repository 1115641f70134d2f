//! Which messages of the other processes have been heard, and whether one is missing. It knows numbers, not connections.
//! Messages of one sender may come out of their order, since they are sent over several connections; so one that is missing is
//! waited for. Invariant: of the messages that were sent after the first one that was heard of a sender, each is heard, waited
//! for, or was told to be missing once.

use std::collections::{BTreeSet, HashMap};

/// How long a message may come after one that was sent later, in milliseconds.
pub(super) const GRACE: u64 = 1_000;
/// The most senders that are known, and messages of one that are waited for. What is beyond counts as missing.
const MOST: usize = 10_000;

/// All senders by their number.
#[derive(Debug, Default)]
pub(super) struct Senders {
    of: HashMap<u64, Heard>,
    /// The earliest time at which a message is missing; nothing while none is waited for.
    due: Option<u64>,
}

#[derive(Debug)]
struct Heard {
    /// All up to this one were heard, or were before the first.
    last: u64,
    /// Those that were heard beyond.
    ahead: BTreeSet<u64>,
    /// The last that is known to have been sent.
    sent: u64,
    /// Since when one is missing.
    since: Option<u64>,
}

impl Heard {
    fn follow(&mut self, now: u64) {
        while self.ahead.first() == Some(&(self.last + 1)) {
            self.ahead.pop_first();
            self.last += 1;
            // Another one is waited for from here on.
            self.since = None;
        }
        if self.last >= self.sent {
            self.since = None;
        } else if self.since.is_none() {
            self.since = Some(now);
        }
    }

    fn due(&self) -> Option<u64> {
        if self.ahead.len() > MOST {
            return Some(0);
        }
        self.since.map(|since| since.saturating_add(GRACE))
    }
}

impl Senders {
    /// A message with this number has come.
    pub(super) fn heard(&mut self, sender: u64, number: u64, now: u64) {
        let Some(heard) = self.of.get_mut(&sender) else {
            self.begin(sender, number);
            return;
        };
        // In its order and with none missing, as nearly always.
        if number == heard.last.wrapping_add(1) && heard.sent == heard.last {
            (heard.last, heard.sent) = (number, number);
            return;
        }
        if number > heard.last {
            heard.ahead.insert(number);
            heard.sent = heard.sent.max(number);
            heard.follow(now);
            self.set_due();
        }
    }

    /// Messages up to this number have been sent.
    pub(super) fn sent(&mut self, sender: u64, number: u64, now: u64) {
        let Some(heard) = self.of.get_mut(&sender) else {
            self.begin(sender, number);
            return;
        };
        if number > heard.sent {
            heard.sent = number;
            heard.follow(now);
            self.set_due();
        }
    }

    fn begin(&mut self, sender: u64, number: u64) {
        if self.of.len() >= MOST {
            // Most of them have long ended; those that live are known again with their next message.
            self.of.clear();
            self.due = None;
        }
        let heard = Heard {
            last: number,
            ahead: BTreeSet::new(),
            sent: number,
            since: None,
        };
        self.of.insert(sender, heard);
    }

    fn set_due(&mut self) {
        self.due = self.of.values().filter_map(Heard::due).min();
    }

    /// Whether a message is missing that should have come by now. It is told once.
    pub(super) fn is_one_missing(&mut self, now: u64) -> bool {
        if self.due.is_none_or(|due| due > now) {
            return false;
        }
        for heard in self.of.values_mut() {
            if heard.due().is_some_and(|due| due <= now) {
                heard.last = heard.sent;
                heard.ahead.clear();
                heard.since = None;
            }
        }
        self.set_due();
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATE: u64 = 5 + GRACE;

    fn after(numbers: &[u64]) -> Senders {
        let mut senders = Senders::default();
        for number in numbers {
            senders.heard(7, *number, 5);
        }
        senders
    }

    #[test]
    fn l2_messages_in_their_order_are_all_there() {
        let mut senders = after(&[3, 4, 5, 6]);
        senders.sent(7, 6, 5);
        assert!(!senders.is_one_missing(u64::MAX));
    }

    #[test]
    fn l2_a_message_that_does_not_come_is_missing_after_the_grace_and_once() {
        let mut senders = after(&[3, 5]);
        assert!(!senders.is_one_missing(LATE - 1));
        assert!(senders.is_one_missing(LATE));
        assert!(!senders.is_one_missing(u64::MAX));
        senders.heard(7, 6, LATE);
        assert!(!senders.is_one_missing(u64::MAX));
    }

    #[test]
    fn l2_the_last_message_is_missed_by_the_beat_that_counts_it() {
        let mut senders = after(&[3]);
        senders.sent(7, 4, 5);
        assert!(senders.is_one_missing(LATE));
    }

    #[test]
    fn messages_in_another_order_are_not_missing() {
        let mut senders = after(&[3, 6, 5, 4]);
        assert!(!senders.is_one_missing(u64::MAX));
        senders.sent(7, 8, 5);
        senders.heard(7, 8, 6);
        senders.heard(7, 7, 6);
        assert!(!senders.is_one_missing(u64::MAX));
    }

    #[test]
    fn each_gap_has_a_grace_of_its_own() {
        let mut senders = after(&[3, 5]);
        senders.heard(7, 7, LATE - 1);
        senders.heard(7, 4, LATE - 1);
        // The first has closed; the second has just opened.
        assert!(!senders.is_one_missing(LATE));
        assert!(senders.is_one_missing(LATE - 1 + GRACE));
    }

    #[test]
    fn what_was_sent_before_the_first_message_that_was_heard_is_not_missing() {
        let mut senders = after(&[9, 8]);
        assert!(!senders.is_one_missing(u64::MAX));
        senders.sent(8, 100, 5);
        senders.heard(8, 101, 5);
        assert!(!senders.is_one_missing(u64::MAX));
    }

    #[test]
    fn a_message_that_comes_twice_is_one() {
        let mut senders = after(&[3, 4, 4, 5]);
        senders.heard(7, 3, 5);
        assert!(!senders.is_one_missing(u64::MAX));
    }

    #[test]
    fn one_sender_does_not_stand_in_for_another() {
        let mut senders = after(&[3, 4]);
        senders.heard(8, 1, 5);
        senders.heard(8, 3, 5);
        assert!(senders.is_one_missing(LATE));
    }

    #[test]
    fn senders_without_end_take_bounded_room() {
        let mut senders = Senders::default();
        for sender in 0..MOST as u64 * 3 {
            senders.heard(sender, 1, 5);
        }
        assert!(senders.of.len() <= MOST);
        let mut senders = after(&[1]);
        for number in 3..MOST as u64 + 10 {
            senders.heard(7, number, 5);
        }
        assert!(senders.is_one_missing(5));
    }
}
