//! The source of truth, which all processes see: a file with what each key is at, and what has been said of it. It survives
//! whoever is killed, and it is not cached.
//!
//! A version has a part for each of the two writers, which only that one raises: so there is an order without a lock
//! between processes. Invariant: a part never falls, and of the times that are told of one, each is written once.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Those who write: each is a process, or its successor.
pub(crate) const WRITERS: usize = 2;
/// Times are remembered for so many versions of a key.
const REMEMBERED: u64 = 4096;

/// What the source holds for a key: a part for each writer.
pub(crate) type Versions = [u64; WRITERS];

/// What is known about one part of a key.
#[derive(Clone, Copy)]
#[repr(usize)]
pub(crate) enum Mark {
    /// What the source holds.
    Written,
    /// Its invalidation has returned.
    Returned,
    /// Its invalidation has returned, and nothing waited to be sent afterwards.
    Told,
}

const MARKS: usize = 3;

pub(crate) struct Truth {
    file: File,
    keys: usize,
    /// Two writes of one mark in this process come one after the other.
    writing: Mutex<()>,
}

impl Truth {
    pub(crate) fn open(path: &Path, keys: usize) -> Self {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .expect("a file");
        let truth = Self {
            file,
            keys,
            writing: Mutex::default(),
        };
        let whole = truth.times(keys, 0, 0);
        if truth.file.metadata().expect("a file").len() < whole {
            truth.file.set_len(whole).expect("room");
        }
        truth
    }

    fn times(&self, key: usize, writer: usize, version: u64) -> u64 {
        let heads = (self.keys * MARKS * WRITERS * 8) as u64;
        let slot = (key * WRITERS + writer) as u64 * REMEMBERED + version % REMEMBERED;
        heads + slot * 16
    }

    fn read<const N: usize>(&self, at: u64) -> [u64; N] {
        let mut bytes = vec![0; N * 8];
        self.file.read_exact_at(&mut bytes, at).expect("it is there");
        std::array::from_fn(|n| u64::from_le_bytes(bytes[n * 8..][..8].try_into().expect("eight")))
    }

    fn write(&self, at: u64, value: u64) {
        self.file.write_all_at(&value.to_le_bytes(), at).expect("room");
    }

    fn head(key: usize, mark: Mark, writer: usize) -> u64 {
        (((key * MARKS + mark as usize) * WRITERS + writer) * 8) as u64
    }

    pub(crate) fn versions(&self, key: usize, mark: Mark) -> Versions {
        self.read(Self::head(key, mark, 0))
    }

    /// Changes the source, and gives what the part of this writer is at.
    pub(crate) fn raise(&self, key: usize, writer: usize) -> u64 {
        let _one = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let at = Self::head(key, Mark::Written, writer);
        let [version] = self.read(at);
        self.write(at, version + 1);
        version + 1
    }

    /// Tells when a version was marked.
    pub(crate) fn mark(&self, key: usize, writer: usize, version: u64, mark: Mark, now: u64) {
        let _one = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let offset = if matches!(mark, Mark::Told) { 8 } else { 0 };
        self.write(self.times(key, writer, version) + offset, now);
        let at = Self::head(key, mark, writer);
        let [before] = self.read(at);
        self.write(at, version.max(before));
    }

    /// When the first version after this one was marked.
    pub(crate) fn since(&self, key: usize, writer: usize, version: u64, mark: Mark) -> Option<u64> {
        let last = self.versions(key, mark)[writer];
        let times = (version + 1..=last).map(|version| {
            let [returned, told] = self.read(self.times(key, writer, version));
            if matches!(mark, Mark::Told) {
                told
            } else {
                returned
            }
        });
        times.filter(|time| *time > 0).min()
    }
}
