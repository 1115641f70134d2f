//! A wall clock of a process that is moved while somebody uses it, by a library that is loaded before the system's own.

use std::path::PathBuf;
use std::process::Command;

use crate::unique_prefix;

/// The wall clock of the processes that are started with its [`variables`](Self::variables).
#[derive(Debug)]
pub struct Clock {
    folder: PathBuf,
}

impl Clock {
    /// A clock that is off by so many seconds.
    pub fn new(seconds: i64) -> Self {
        let folder = std::env::temp_dir().join(unique_prefix());
        std::fs::create_dir(&folder).expect("a folder");
        let clock = Self { folder };
        clock.set(seconds);
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/support/clock.c");
        // The compiler's driver is there wherever Rust programs are linked.
        let status = Command::new("cc")
            .args(["-shared", "-fPIC", "-o"])
            .arg(clock.library())
            .arg(source)
            .status();
        assert!(
            status.is_ok_and(|status| status.success()),
            "`cc` makes a library"
        );
        clock
    }

    /// Moves it.
    pub fn set(&self, seconds: i64) {
        // A reader finds one number or the other.
        let (file, next) = (self.file(), self.folder.join("next"));
        std::fs::write(&next, seconds.to_string()).expect("a file");
        std::fs::rename(next, file).expect("a file");
    }

    /// The environment of a process that lives by this clock.
    pub fn variables(&self) -> [(&'static str, PathBuf); 2] {
        [("LD_PRELOAD", self.library()), ("SHIFT_FILE", self.file())]
    }

    fn file(&self) -> PathBuf {
        self.folder.join("shift")
    }

    fn library(&self) -> PathBuf {
        self.folder.join("clock.so")
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
