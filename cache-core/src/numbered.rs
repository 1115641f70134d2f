//! Something for each function, found by the function's number without a lock. Invariant: what is there once stays.

use std::sync::OnceLock;

/// A place for each number.
#[derive(Debug)]
pub(crate) struct Numbered<T> {
    /// The first numbers, which are all of them in most programs.
    first: Box<[OnceLock<T>]>,
    /// Further blocks, each twice as large as the one before.
    blocks: [OnceLock<Box<[OnceLock<T>]>>; 20],
}

const FIRST: usize = 256;

fn places<T>(count: usize) -> Box<[OnceLock<T>]> {
    (0..count).map(|_| OnceLock::new()).collect()
}

impl<T> Numbered<T> {
    pub(crate) fn new() -> Self {
        Self {
            first: places(FIRST),
            blocks: [const { OnceLock::new() }; 20],
        }
    }

    /// What is there for one of the first numbers.
    #[inline]
    pub(crate) fn first(&self, number: usize) -> Option<&T> {
        self.first.get(number).and_then(OnceLock::get)
    }

    /// The place for a number. There is none beyond the last block.
    pub(crate) fn place(&self, number: usize) -> Option<&OnceLock<T>> {
        if number < FIRST {
            return self.first.get(number);
        }
        let block = (number / FIRST).ilog2() as usize;
        let start = FIRST << block;
        let places = self.blocks.get(block)?.get_or_init(|| places(start));
        places.get(number - start)
    }

    /// All that there are.
    pub(crate) fn all(&self) -> impl Iterator<Item = &T> {
        let further = self.blocks.iter().filter_map(OnceLock::get).flatten();
        self.first.iter().chain(further).filter_map(OnceLock::get)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_has_a_place_of_its_own() {
        let numbered = Numbered::new();
        let numbers = [0, 1, 255, 256, 511, 512, 1_023, 1_024, 100_000];
        for number in numbers {
            assert!(
                numbered
                    .place(number)
                    .is_some_and(|place| place.set(number).is_ok())
            );
        }
        for number in numbers {
            assert_eq!(numbered.place(number).and_then(OnceLock::get), Some(&number));
        }
        assert!(numbered.all().eq(&numbers));
        assert_eq!(numbered.place(usize::MAX).map(OnceLock::get), None);
    }
}
