//! The compiler as the cases meet it: `rustc` itself, on one file, with the libraries that this test was linked with.
//!
//! Not cargo, which would take a second for each file. The invariant is that what it says depends on the source alone: all files are
//! compiled in the folder of this package, under the same name where they are compared.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use serde_json::Value;

/// The crates that cases may name.
const CRATES: &[&str] = &[
    "anyhow",
    "async_trait",
    "axum",
    "cache_core",
    "chrono",
    "serde",
    "serde_json",
    "tokio",
    "tracing",
    "uuid",
];

/// Where this package is.
pub fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The programs of a folder, by name: all, or those whose names contain what `UI_ONLY` says.
pub fn programs(folder: &str) -> Vec<PathBuf> {
    let only = std::env::var("UI_ONLY").unwrap_or_default();
    let mut programs = files(folder, "rs");
    programs.retain(|file| file.to_string_lossy().contains(&only));
    programs
}

/// The files of a folder with this extension, by name.
pub fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(package().join(folder)).expect("a folder");
    let mut found: Vec<PathBuf> = entries
        .map(|entry| Path::new(folder).join(entry.expect("an entry").file_name()))
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    assert!(!found.is_empty(), "no files in {folder}");
    found.sort();
    found
}

/// A program, and how it is to be compiled.
pub struct Program<'a> {
    source: Source<'a>,
    options: Vec<String>,
}

enum Source<'a> {
    File(&'a Path),
    Text(&'a str),
}

impl<'a> Program<'a> {
    /// A file, relative to this package.
    pub fn file(file: &'a Path) -> Self {
        Self {
            source: Source::File(file),
            options: Vec::new(),
        }
    }

    /// A text, which has no name.
    pub fn text(text: &'a str) -> Self {
        Self {
            source: Source::Text(text),
            options: Vec::new(),
        }
    }

    /// One more option of the compiler.
    pub fn option(mut self, option: &str) -> Self {
        self.options.push(option.to_owned());
        self
    }

    /// Looks for mistakes, and makes nothing that could run.
    pub fn check(self) -> Compiled {
        let scratch = Scratch::new();
        self.option("--emit=metadata")
            .compile(&scratch.0.join("metadata"))
    }

    /// Makes a program and runs it.
    pub fn run(self) -> Result<(), String> {
        let scratch = Scratch::new();
        let program = scratch.0.join("program");
        let compiled = self
            .option("--emit=link")
            .option("-Cdebuginfo=0")
            .compile(&program);
        if !compiled.success {
            return Err(compiled.rendered());
        }
        let output = Command::new(program).output().expect("the program starts");
        if output.status.success() {
            return Ok(());
        }
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }

    fn compile(self, place: &Path) -> Compiled {
        let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let mut command = Command::new(rustc);
        command
            .current_dir(package())
            .env("CARGO_MANIFEST_DIR", package())
            .args(["--edition=2024", "--error-format=json", "--crate-type=bin", "-o"])
            .arg(place)
            .args(libraries())
            .args(&self.options);
        let output = match self.source {
            Source::File(file) => output(command.arg(file), ""),
            Source::Text(text) => output(command.args(["--crate-name=program", "-"]), text),
        };
        Compiled::read(&output)
    }
}

/// A folder for what one compilation leaves, which goes away with it.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("ui-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder can be made");
        Self(folder)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays is in the way of nobody.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn output(command: &mut Command, input: &str) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the compiler starts");
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all(input.as_bytes()).expect("the compiler reads");
    drop(stdin);
    child.wait_with_output().expect("the compiler ends")
}

/// What the compiler said.
pub struct Compiled {
    pub success: bool,
    /// Without those that only count the others.
    pub diagnostics: Vec<Value>,
}

impl Compiled {
    fn read(output: &Output) -> Self {
        let text = String::from_utf8_lossy(&output.stderr);
        let diagnostics = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no diagnostic: {text}")))
            .filter(|value: &Value| value["$message_type"] == "diagnostic" && !counts_others(value))
            .collect();
        Self {
            success: output.status.success(),
            diagnostics,
        }
    }

    /// As a person reads it.
    pub fn rendered(&self) -> String {
        self.diagnostics
            .iter()
            .filter_map(|diagnostic| diagnostic["rendered"].as_str())
            .collect()
    }
}

fn counts_others(diagnostic: &Value) -> bool {
    let message = diagnostic["message"].as_str().unwrap_or_default();
    diagnostic["level"] == "failure-note"
        || message.starts_with("aborting due to")
        || (message.ends_with(" emitted") && diagnostic["spans"].as_array().is_some_and(Vec::is_empty))
}

/// Where the libraries are: cargo says what it has just made for this test, or makes it anew where that was made for the whole
/// workspace. No programs are made, since other tests may be using them.
fn libraries() -> &'static [String] {
    static LIBRARIES: OnceLock<Vec<String>> = OnceLock::new();
    LIBRARIES.get_or_init(|| {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command
            .current_dir(package())
            .args(["build", "--lib", "--message-format=json"]);
        if !cfg!(debug_assertions) {
            command.arg("--release");
        }
        let output = command.output().expect("cargo starts");
        let failure = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{failure}");
        let text = String::from_utf8(output.stdout).expect("text");
        let artifacts: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).expect("cargo writes JSON"))
            .filter(|message: &Value| message["reason"] == "compiler-artifact")
            .collect();
        let mut options = Vec::new();
        for name in CRATES {
            let file = artifacts.iter().find_map(|artifact| library(artifact, name));
            let file = file.unwrap_or_else(|| panic!("this package does not depend on {name}"));
            options.push(format!("--extern={name}={file}"));
            if *name == "cache_core" {
                let folder = Path::new(&file).parent().expect("a folder");
                options.push(format!("-Ldependency={}", folder.display()));
            }
        }
        options
    })
}

fn library(artifact: &Value, name: &str) -> Option<String> {
    let target = &artifact["target"];
    let is_library = target["kind"]
        .as_array()?
        .iter()
        .any(|kind| kind == "lib" || kind == "proc-macro");
    if target["name"] != name || !is_library {
        return None;
    }
    artifact["filenames"].get(0)?.as_str().map(str::to_owned)
}

/// What `check` gives for each of the items, as many at once as there are processors.
pub fn each<T: Sync, R: Send>(items: &[T], check: impl Fn(&T) -> R + Sync) -> Vec<R> {
    // The tests of this binary take their turns.
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    libraries();
    let next = AtomicUsize::new(0);
    let workers = std::thread::available_parallelism().map_or(2, usize::from);
    let mut results: Vec<(usize, R)> = std::thread::scope(|scope| {
        let work = || {
            let mut results = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(item) = items.get(index) else {
                    return results;
                };
                results.push((index, check(item)));
            }
        };
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().expect("a check does not panic"))
            .collect()
    });
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}
