//! Programs that must compile, and programs that must not, with what is said of these.
//!
//! What is written beside a program in `ui/fail` is all that the compiler says of it. The invariant is that it holds nothing of the
//! machine: no path outside of the workspace, no place in a file that is not the program.

use std::path::Path;

use crate::compiler::{Program, each, files, package, programs};
use crate::gallery;

/// Set to write what the compiler says instead of comparing it.
const OVERWRITE: &str = "UI_OVERWRITE";

#[test]
fn what_is_right_compiles_without_a_warning() {
    let wrong: Vec<String> = each(&programs("ui/pass"), |file| {
        let compiled = Program::file(file).option("-Dwarnings").check();
        let failure = if compiled.diagnostics.is_empty() {
            let text = std::fs::read_to_string(package().join(file)).expect("text");
            // What it asserts has to hold.
            let run = text.contains("assert").then(|| Program::file(file).run());
            run?.err()?
        } else {
            compiled.rendered()
        };
        Some(format!("{}:\n{failure}", file.display()))
    })
    .into_iter()
    .flatten()
    .collect();
    assert!(wrong.is_empty(), "{}\n{} programs", wrong.join("\n"), wrong.len());
}

#[test]
fn what_is_wrong_is_refused_in_these_words() {
    let overwrites = overwrites();
    let wrong: Vec<String> = each(&programs("ui/fail"), |file| refuse(file, overwrites))
        .into_iter()
        .flatten()
        .collect();
    assert!(
        wrong.is_empty(),
        "{}\n{} programs; with `{OVERWRITE}=1` the files are written anew",
        wrong.join("\n"),
        wrong.len()
    );
    if overwrites {
        gallery::write();
    }
}

/// Whether what the compiler says is to be written.
pub fn overwrites() -> bool {
    std::env::var_os(OVERWRITE).is_some()
}

fn refuse(file: &Path, overwrites: bool) -> Option<String> {
    let name = file.display();
    // A program of a few lines has functions that nobody calls.
    let compiled = Program::file(file).option("-Adead_code").check();
    if compiled.success {
        return Some(format!("{name}: compiles"));
    }
    let said = without_places(&compiled.rendered());
    let golden = package().join(file).with_extension("stderr");
    let expected = std::fs::read_to_string(&golden).unwrap_or_default();
    if said == expected {
        return None;
    }
    if overwrites {
        std::fs::write(&golden, said).expect("the file can be written");
        return None;
    }
    Some(format!("{name}: expected\n{expected}\nand got\n{said}"))
}

/// The text without what another machine or another version of a library would have in it.
fn without_places(text: &str) -> String {
    let root = package().parent().expect("the workspace").display().to_string();
    let mut lines: Vec<String> = text
        .replace(&root, "$WORKSPACE")
        .lines()
        .map(|line| without_place(line.trim_end()))
        .collect();
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines.push(String::new());
    lines.join("\n")
}

fn without_place(line: &str) -> String {
    let trimmed = line.trim_start();
    if let Some(rest) = trimmed.strip_prefix("and ")
        && let Some(number) = rest.strip_suffix(" others")
        && number.bytes().all(|byte| byte.is_ascii_digit())
    {
        return line.replace(number, "$N");
    }
    let Some((arrow, path)) = line.split_once("--> ").or_else(|| line.split_once("::: ")) else {
        return line.to_owned();
    };
    if path.starts_with("ui/") {
        return line.to_owned();
    }
    let path = match path.split_once("/library/") {
        Some((_, path)) => format!("$RUST/{path}"),
        None => path.to_owned(),
    };
    let path = path.split(':').next().unwrap_or_default();
    format!("{arrow}--> {path}")
}

/// Names that no user has written.
const HIDDEN: &[&str] = &["__", "cache_core::__private", "`INFO`"];

#[test]
fn no_message_names_what_is_hidden_and_none_comes_with_many_others() {
    let mut wrong = Vec::new();
    for file in files("ui/fail", "stderr") {
        let text = std::fs::read_to_string(package().join(&file)).expect("text");
        let source = std::fs::read_to_string(package().join(&file).with_extension("rs")).expect("text");
        let name = file.display();
        for hidden in HIDDEN.iter().filter(|hidden| !source.contains(**hidden)) {
            wrong.extend(
                said(&text)
                    .filter(|line| line.contains(hidden))
                    .map(|line| format!("{name}: {line}")),
            );
        }
        let errors: Vec<&str> = text.lines().filter(|line| line.starts_with("error")).collect();
        // Of several mistakes each is told, and nothing but these.
        let ours = errors.iter().all(|line| line.starts_with("error: "));
        if errors.len() > 2 && !(name.to_string().contains("/several_") && ours) {
            wrong.push(format!("{name}: {} errors", errors.len()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What the compiler says itself, without the lines that only draw.
fn said(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .filter(|line| line.contains(|c: char| c.is_alphabetic()))
}
