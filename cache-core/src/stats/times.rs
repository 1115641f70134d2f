//! How long loads took, in classes. Invariant: the bounds of the classes never change, so that what several functions and
//! several processes have counted can be added up.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The longest time of each class but the last, which has none; in microseconds.
pub(crate) const BOUNDS: [u64; 14] = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    5_000_000, 10_000_000,
];

/// The loads of one class.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Class {
    pub(crate) loads: u64,
    /// What they took in all, in microseconds.
    pub(crate) micros: u64,
}

/// The loads of all classes, the quickest first.
pub(crate) type Classes = [Class; BOUNDS.len() + 1];

/// Where loads are counted.
#[derive(Debug, Default)]
pub(super) struct Times([(AtomicU64, AtomicU64); BOUNDS.len() + 1]);

impl Times {
    pub(super) fn count(&self, took: u64) {
        let class = BOUNDS.partition_point(|bound| *bound < took);
        if let Some((loads, micros)) = self.0.get(class) {
            loads.fetch_add(1, Relaxed);
            micros.fetch_add(took, Relaxed);
        }
    }

    pub(super) fn snapshot(&self) -> Classes {
        self.0.each_ref().map(|(loads, micros)| Class {
            loads: loads.load(Relaxed),
            micros: micros.load(Relaxed),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_that_takes_as_long_as_a_bound_is_below_it() {
        let times = Times::default();
        for took in [0, 500, 501, 10_000_000, 10_000_001] {
            times.count(took);
        }
        let classes = times.snapshot();
        let class = |loads, micros| Class { loads, micros };
        assert_eq!(classes[0], class(2, 500));
        assert_eq!(classes[1], class(1, 501));
        assert_eq!(classes[13], class(1, 10_000_000));
        assert_eq!(classes[14], class(1, 10_000_001));
    }
}
