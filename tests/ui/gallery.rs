//! The page of mistakes in the guide shows programs of `ui/fail` and what the compiler says of them.
//!
//! Between a comment that names a program and the comment that ends it, the page is what this module writes; all else is written by
//! hand. The invariant is that no line of a message is changed but for the name of the file.

use std::path::PathBuf;

use crate::compiler::package;
use crate::goldens::overwrites;

const BEGIN: &str = "<!-- ";
const END: &str = "<!-- end -->";

fn page() -> PathBuf {
    package().join("../cache-core/guide/mistakes.md")
}

/// The page as it has to be.
fn expected(page: &str) -> String {
    let mut lines = Vec::new();
    let mut rest = page.lines();
    while let Some(line) = rest.next() {
        lines.push(line.to_owned());
        let Some(name) = line
            .strip_prefix(BEGIN)
            .and_then(|line| line.strip_suffix(" -->"))
        else {
            continue;
        };
        assert!(rest.any(|line| line == END), "`{name}` is not ended by `{END}`");
        lines.extend(shown(name));
        lines.push(END.to_owned());
    }
    lines.push(String::new());
    lines.join("\n")
}

/// A program and its message.
fn shown(name: &str) -> Vec<String> {
    let read = |extension: &str| {
        let file = package().join("ui/fail").join(name).with_extension(extension);
        std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
    };
    let (program, message) = (read("rs"), read("stderr"));
    let program = program.replace("\nfn main() {}\n", "");
    let message = message.replace(&format!("ui/fail/{name}.rs"), "src/lib.rs");
    let mut lines = vec!["```rust,compile_fail".to_owned()];
    lines.extend(program.trim_end().lines().map(str::to_owned));
    lines.extend(["```".to_owned(), "```text".to_owned()]);
    lines.extend(without_other_types(&message));
    lines.push("```".to_owned());
    lines
}

/// Which other types would do is a list that says little here.
fn without_other_types(message: &str) -> Vec<String> {
    let mut is_in_list = false;
    let mut lines = Vec::new();
    for line in message.trim_end().lines() {
        let trimmed = line.trim_start();
        if trimmed.starts_with("= help: the following other types implement") {
            is_in_list = true;
        } else if is_in_list && (trimmed.starts_with("= ") || trimmed.starts_with("error")) {
            is_in_list = false;
        }
        if !is_in_list {
            lines.push(line.to_owned());
        }
    }
    lines
}

/// Writes the page, where the messages have changed.
pub fn write() {
    let text = std::fs::read_to_string(page()).expect("the page");
    std::fs::write(page(), expected(&text)).expect("the page can be written");
}

#[test]
fn the_page_of_mistakes_shows_what_the_compiler_says() {
    let text = std::fs::read_to_string(page()).expect("the page");
    assert_eq!(text.matches(END).count(), 12, "the page tells of twelve");
    if overwrites() {
        // The messages may be written anew at this moment, and then the page is.
        return;
    }
    let expected = expected(&text);
    let differs = text
        .lines()
        .zip(expected.lines())
        .find(|(is, should)| is != should);
    assert!(
        text == expected,
        "the page differs from the goldens, `UI_OVERWRITE=1` writes it anew: {differs:?}"
    );
}
