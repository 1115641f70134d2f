//! What stands around a function in its source file: an attribute is not told, and some functions need an attribute on the
//! `impl` block around them.
//!
//! A guess by the indentation of lines, for the sake of a message; where it finds nothing, rustc has one of its own. The
//! invariant is that it says nothing of code that is not indented like code that was formatted.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::PathBuf;
use std::rc::Rc;

use proc_macro2::Span;

/// A block that a function stands in, and that may have no place for a handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Block {
    Inherent,
    OfATrait,
    /// The declaration of a trait.
    Trait,
}

/// The block around a token of the user's, if there is one and it can be told.
pub(crate) fn block_around(token: Span) -> Option<Block> {
    if !proc_macro::is_available() {
        return None;
    }
    // There is a compiler, so it has a span for this one.
    let span = Span::unwrap(token);
    let text = source(span.local_file()?)?;
    block_above(&text, span.start().line())
}

/// The text of a source file, read once.
fn source(path: PathBuf) -> Option<Rc<str>> {
    thread_local! {
        static READ: RefCell<HashMap<PathBuf, Option<Rc<str>>>> = RefCell::default();
    }
    READ.with_borrow_mut(|read| {
        let text = read
            .entry(path)
            .or_insert_with_key(|path| std::fs::read_to_string(path).ok().map(Rc::from));
        text.clone()
    })
}

/// The block around a line, counted from one.
fn block_above(text: &str, line: usize) -> Option<Block> {
    let lines: Vec<&str> = text.lines().take(line).collect();
    let (own, above) = lines.split_last()?;
    let depth = indent(own);
    let mut header = String::new();
    for line in above.iter().rev().filter(|line| !line.trim().is_empty()) {
        let outside = indent(line) < depth;
        if !outside {
            if !header.is_empty() && !line.trim_start().starts_with("//") {
                // The header goes on above, as deep as its own bounds are.
                header.insert_str(0, line);
            }
            continue;
        }
        let words = line.trim();
        if header.is_empty() && !words.ends_with('{') {
            return None;
        }
        header.insert_str(0, &format!(" {words} "));
        let starts = words.strip_prefix("unsafe ").unwrap_or(words);
        if starts.split([' ', '(']).take(3).any(|word| word == "trait") {
            return Some(Block::Trait);
        }
        if let Some(rest) = starts.strip_prefix("impl") {
            let is_impl = rest.starts_with([' ', '<']);
            return is_impl.then(|| block_of(&header));
        }
        if words != "{" && !words.starts_with("where") && !words.starts_with('>') {
            return None;
        }
    }
    None
}

/// Whether the header has a `for` that is none of `for<'a>`.
fn block_of(header: &str) -> Block {
    let mut words = header.split_whitespace();
    if words.any(|word| word == "for") {
        Block::OfATrait
    } else {
        Block::Inherent
    }
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

#[cfg(test)]
mod tests {
    use super::{Block, block_above};

    fn block(text: &str) -> Option<Block> {
        let line = text.lines().position(|line| line.contains("async fn"));
        block_above(text, line.map_or(0, |line| line + 1))
    }

    #[test]
    fn a_block_is_found_above_its_function() {
        let inherent = "impl Repo {\n    fn other() {\n        x\n    }\n\n    #[cache_result]\n    async fn get() {}\n}";
        assert_eq!(block(inherent), Some(Block::Inherent));
        for header in [
            "impl Store for Pg {",
            "impl<T: Into<String>> Store<T> for Pg<T> {",
            "unsafe impl Store for Pg {",
            "impl<T> Store for Pg<T>\nwhere\n    T: Copy,\n{",
            "impl<\n    T,\n> Store for Pg<T> {",
        ] {
            let text = format!("struct A;\n{header}\n    async fn get() {{}}\n}}");
            assert_eq!(block(&text), Some(Block::OfATrait), "{header}");
        }
        let declared = "pub(crate) trait Store: Send {\n    async fn get() {}\n}";
        assert_eq!(block(declared), Some(Block::Trait));
        let bound = "impl<F: for<'a> Fn(&'a u8)> Repo<F> {\n    async fn get() {}\n}";
        assert_eq!(block(bound), Some(Block::Inherent));
    }

    #[test]
    fn what_stands_in_no_block_is_left_alone() {
        for text in [
            "async fn get() {}",
            "impl A {\n}\nasync fn get() {}",
            "mod a {\n    async fn get() {}\n}",
            "fn main() {\n    impl A {\n    }\n    async fn get() {}\n}",
            "impl A {\n    fn b() {\n        async fn get() {}\n    }\n}",
            "impl A {}\n    async fn get() {}",
            "macro_rules! m {\n    () => {\n        async fn get() {}\n    };\n}",
            "implement! {\n    async fn get() {}\n}",
        ] {
            assert_eq!(block(text), None, "{text}");
        }
    }
}
