//! Instructions counted by callgrind, for machines whose processor counts none: most virtual ones.
//!
//! Callgrind executes the program itself, fifty times slower, so that it runs in a process of its own and
//! its times mean nothing. Its counts are exact.

use std::collections::HashMap;
use std::ffi::CString;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::measure::{Instructions, callgrind};
use crate::table::Candidate;

/// How often each candidate runs.
pub const OPERATIONS: u64 = 4_096;

/// Instructions for each operation, by the name of the candidate.
#[derive(Default)]
pub struct Counted(HashMap<String, f64>);

impl Counted {
    /// Those of this candidate.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.0.get(name).copied()
    }
}

/// Runs this program with these arguments under callgrind and reads what it counted. Empty when the processor
/// counts by itself, and when there is no valgrind.
pub fn count(arguments: &[&str]) -> Counted {
    let program = std::env::current_exe().expect("this program has a path");
    let found = Command::new("valgrind")
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    if Instructions::open().is_some() || found.is_err() {
        return Counted::default();
    }
    let dir = std::env::temp_dir().join(format!("benches-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("the directory for temporary files is there");
    let status = Command::new("valgrind")
        .args(["--tool=callgrind", "--instr-atstart=no"])
        .arg(format!("--callgrind-out-file={}", dir.join("out").display()))
        .arg("--quiet")
        .arg(program)
        .args(arguments)
        .stderr(Stdio::null())
        .status();
    let counted = if status.is_ok_and(|it| it.success()) {
        read(&dir)
    } else {
        eprintln!("what was to be counted did not run: {arguments:?}");
        Counted::default()
    };
    let _ = std::fs::remove_dir_all(&dir);
    counted
}

/// Each dump is a file that names the request and the count.
fn read(dir: &Path) -> Counted {
    let mut counted = Counted::default();
    for file in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let text = std::fs::read_to_string(file.path()).unwrap_or_default();
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
        if let (Some(candidate), Some(total)) = (field("desc: Trigger: Client Request: "), field("totals: "))
            && let Ok(total) = total.parse::<f64>()
        {
            counted.0.insert(candidate.to_owned(), total / OPERATIONS as f64);
        }
    }
    counted
}

/// The other side of [`count`]: has each candidate counted.
pub fn run<'a>(candidates: impl Iterator<Item = Candidate<'a>>) {
    for mut candidate in candidates {
        candidate.run(64);
        let name = CString::new(candidate.name()).expect("no zero byte in it");
        callgrind(&name, || candidate.run(OPERATIONS));
    }
}
