//! What the compiler does not check: which module may use which, and that every file says what it is.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The modules of `cache-core`, each group allowed to use itself and those above it.
const LAYERS: &[&[&str]] = &[
    &["error", "clock", "glob", "planted", "sync", "numbered"],
    &["key"],
    &["config"],
    &["codec", "entry"],
    &["generations", "stats"],
    &["flight"],
    &["memory", "remote"],
    &["engine"],
    &[
        "axum",
        "bound",
        "catalogue",
        "each",
        "handle",
        "load",
        "manager",
        "metrics",
        "series",
        "__private",
    ],
    &["typed", "domain", "guide"],
    &["sim"],
];

/// The arrows that point up, each for a reason.
const EXCUSED: &[(&str, &str)] = &[
    // A manager can be named where a function is called.
    ("engine/call.rs", "manager"),
    // What is asked of types is written where users read it.
    ("engine/shape.rs", "bound"),
];

/// Names of items that the crate root re-exports, with the module they are from.
const ROOT: &[(&str, &str)] = &[
    ("CacheError", "error"),
    ("SharedError", "error"),
    ("CacheKey", "key"),
    ("KeyWriter", "key"),
    ("Key", "key"),
    ("BackendMode", "config"),
    ("EvictionPolicy", "config"),
    ("RedisMode", "config"),
    ("CacheBackend", "remote"),
    ("BackendError", "remote"),
    ("Change", "remote"),
    ("Stats", "stats"),
    ("FunctionStats", "stats"),
    ("Tier", "engine"),
    ("FunctionInfo", "engine"),
    ("TargetInfo", "engine"),
    ("Catalogue", "catalogue"),
    ("CacheManager", "manager"),
    ("CacheNamespace", "typed"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the workspace")
        .to_owned()
}

fn sources(under: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(under)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).expect("text");
                found.push((path, text));
            }
        }
    }
    assert!(!found.is_empty(), "no sources under {under}");
    found
}

/// The code of a file: neither comments nor what is only compiled for tests.
fn code(text: &str) -> String {
    let text = text.split("\n#[cfg(test)]\n").next().unwrap_or_default();
    text.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n")
}

fn layer_of(module: &str) -> usize {
    LAYERS
        .iter()
        .position(|layer| layer.contains(&module))
        .unwrap_or_else(|| panic!("`{module}` has no layer"))
}

/// The modules that a file names through `crate::`, one by one or in braces.
fn used(code: &str) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        let names: Vec<&str> = match rest.strip_prefix('{') {
            Some(list) => {
                let mut depth = 0_i32;
                let end = list
                    .char_indices()
                    .find(|(_, c)| {
                        depth += i32::from(*c == '{') - i32::from(*c == '}');
                        depth < 0
                    })
                    .map_or(list.len(), |(end, _)| end);
                let mut depth = 0_i32;
                list[..end]
                    .split(|c: char| {
                        depth += i32::from(c == '{') - i32::from(c == '}');
                        c == ',' && depth == 0
                    })
                    .collect()
            }
            None => vec![rest],
        };
        for name in names {
            let name: String = name
                .trim()
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect();
            let module = ROOT
                .iter()
                .find(|(item, _)| *item == name)
                .map_or(name.as_str(), |(_, module)| module);
            if LAYERS.iter().any(|layer| layer.contains(&module)) {
                used.insert(module.to_owned());
            }
        }
    }
    used
}

#[test]
fn modules_use_only_what_stands_above_them() {
    let base = root().join("cache-core/src");
    let mut wrong = Vec::new();
    for (path, text) in sources("cache-core/src") {
        let inside = path.strip_prefix(&base).expect("a source");
        let first = inside
            .components()
            .next()
            .expect("a name")
            .as_os_str()
            .to_string_lossy()
            .into_owned();
        let module = first.trim_end_matches(".rs").to_owned();
        if module == "lib" {
            continue;
        }
        let excused = |other: &str| {
            EXCUSED
                .iter()
                .any(|(file, used)| inside.ends_with(file) && *used == other)
        };
        for other in used(&code(&text)) {
            if layer_of(&other) > layer_of(&module) && !excused(&other) {
                wrong.push(format!("{} uses `{other}`", inside.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_macros_name_nothing_of_the_library_but_what_is_for_them() {
    for (path, text) in sources("cache-macros/src") {
        assert!(
            !code(&text).contains("use cache_core"),
            "{} depends on cache-core",
            path.display()
        );
    }
}

#[test]
fn every_file_says_what_it_is() {
    for under in [
        "cache-core/src",
        "cache-macros/src",
        "tests/it",
        "tests/catalogue",
        "tests/support",
        "examples",
        "benches/src",
    ] {
        for (path, text) in sources(under) {
            if path.components().any(|part| part.as_os_str() == "target") {
                continue;
            }
            let described =
                text.starts_with("//!") || text.starts_with("#![doc") || path.ends_with("memory/tests.rs");
            assert!(described, "{} does not begin with what it is", path.display());
        }
    }
}

/// Files that their module takes in for tests alone.
fn is_for_tests(path: &Path) -> bool {
    let for_tests = [
        "tests.rs",
        "properties.rs",
        "snapshots.rs",
        "interleavings.rs",
        "meanwhile.rs",
        "sim",
    ];
    path.components()
        .any(|part| for_tests.iter().any(|name| part.as_os_str() == *name))
}

#[test]
fn nothing_panics_outside_of_tests() {
    for under in ["cache-core/src", "cache-macros/src"] {
        for (path, text) in sources(under) {
            if is_for_tests(&path) {
                continue;
            }
            for (number, line) in code(&text).lines().enumerate() {
                for word in [
                    ".unwrap()",
                    ".expect(",
                    "panic!(",
                    "unreachable!(",
                    "todo!(",
                    "unimplemented!(",
                ] {
                    assert!(
                        !line.contains(word),
                        "{}: `{word}` near line {}",
                        path.display(),
                        number + 1
                    );
                }
            }
        }
    }
}

/// The test functions of a file of tests.
fn tests_of(module: &str) -> Vec<String> {
    let files = [
        format!("tests/it/{module}.rs"),
        format!("examples/{module}/tests.rs"),
    ];
    let text = files
        .iter()
        .find_map(|file| std::fs::read_to_string(root().join(file)).ok())
        .unwrap_or_else(|| panic!("there are no tests named `{module}`"));
    let lines: Vec<&str> = text.lines().collect();
    let after_attribute = lines
        .windows(2)
        .filter(|pair| pair[0].starts_with("#[test]") || pair[0].starts_with("#[tokio::test"));
    after_attribute
        .filter_map(|pair| pair[1].trim_start_matches("async ").strip_prefix("fn "))
        .filter_map(|rest| Some(rest.split_once('(')?.0.to_owned()))
        .collect()
}

#[test]
fn every_feature_in_the_guide_names_tests_that_exist() {
    let guide = root().join("cache-core/guide/features.md");
    let text = std::fs::read_to_string(guide).expect("the table");
    let rows = text
        .lines()
        .filter(|line| line.starts_with("| ") && !line.contains("| shown by |"));
    let mut wrong = Vec::new();
    let mut named = 0;
    for row in rows {
        let cell = row
            .trim_end_matches(" |")
            .rsplit(" | ")
            .next()
            .unwrap_or_default();
        let tests: Vec<&str> = cell.split('`').skip(1).step_by(2).collect();
        if tests.is_empty() {
            wrong.push(format!("no test shows: {row}"));
        }
        for test in tests {
            named += 1;
            match test.split_once("::") {
                Some((module, name)) if tests_of(module).iter().any(|other| other == name) => {}
                _ => wrong.push(format!("there is no test `{test}`")),
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(named > 100, "only {named} tests are named");
}

#[test]
fn every_test_of_a_source_system_shows_a_feature() {
    let guide = root().join("cache-core/guide/features.md");
    let text = std::fs::read_to_string(guide).expect("the table");
    let mut wrong = Vec::new();
    for system in ["campaigns", "typed", "dual", "leads", "responses"] {
        let module = format!("source_{system}");
        for name in tests_of(&module) {
            if !text.contains(&format!("`{module}::{name}`")) {
                wrong.push(format!("{module}::{name}"));
            }
        }
    }
    assert!(wrong.is_empty(), "these are in no row: {wrong:#?}");
}
