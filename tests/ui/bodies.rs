//! Mistakes in bodies: what the compiler says of them with an attribute is what it says without.
//!
//! Each file in `ui/body` is a program with mistakes, and has a line `//@ attribute` above the function that they are in. The
//! invariant is that the two programs that are compared differ in nothing but that line.

use std::path::Path;

use serde_json::{Value, json};

use crate::compiler::{Compiled, Program, each, package, programs};

const MARK: &str = "//@ attribute";

/// The attributes that take any function with an argument `id`.
const ATTRIBUTES: &[&str] = &[
    r#"cache_core::cache_result(key = "thing:{id}""#,
    r#"cache_core::cache_result(key = "thing:{id}", stale_while_revalidate = "1m""#,
    r#"cache_core::cache_lead_data(id = id"#,
    r#"cache_core::cache_search_results("#,
    r#"cache_core::invalidate_cache("thing:{id}""#,
];

/// The attributes of a program: those that its mark names, with the options that it names.
fn attributes(mark: &str) -> Vec<String> {
    let asked = mark.trim_start().strip_prefix(MARK).unwrap_or_default().trim();
    if asked.starts_with("cache_") {
        return vec![format!("#[{asked}]")];
    }
    let (borrows, asked) = match asked.strip_prefix("borrows") {
        Some(rest) => (true, rest.trim()),
        None => (false, asked),
    };
    ATTRIBUTES
        .iter()
        .filter(|attribute| !borrows || !attribute.contains("stale_while_revalidate"))
        .map(|attribute| {
            let options = match asked {
                _ if attribute.contains("invalidate_cache") => "",
                asked => asked,
            };
            let comma = if attribute.ends_with('(') || options.is_empty() {
                ""
            } else {
                ", "
            };
            format!("#[{attribute}{comma}{options})]")
        })
        .collect()
}

/// The program and, for each of its attributes, the program with it in place of the mark.
fn variants(source: &str) -> (String, Vec<(String, String)>) {
    let mark = source
        .lines()
        .find(|line| line.trim_start().starts_with(MARK))
        .expect("a line that says where the attribute goes");
    // What other crates have is among the compiler's proposals, so both programs have to load the same ones.
    let source = format!("{source}\nextern crate cache_core as _;\n");
    let with = attributes(mark)
        .into_iter()
        .map(|attribute| (attribute.clone(), source.replacen(mark, &attribute, 1)))
        .collect();
    (source.replacen(mark, "", 1), with)
}

/// What a diagnostic says and where, without the lines of the source.
///
/// The body of a method, a handler or an invalidator is a block in what an attribute makes of it. Of a block the compiler knows the type and
/// where it is written too, but says so in other words, and makes fewer proposals; these words are left out.
fn essence(diagnostic: &Value, is_block: bool) -> Value {
    let list = |name: &str| diagnostic[name].as_array().cloned().unwrap_or_default();
    let spans: Vec<Value> = list("spans")
        .iter()
        .filter(|span| !is_block || !is_of_functions(&span["label"]))
        .map(|span| place(span, is_block))
        .collect();
    let children: Vec<Value> = list("children")
        .iter()
        .filter(|child| !is_block || !is_of_functions(&child["message"]))
        .map(|child| essence(child, is_block))
        .collect();
    json!({
        "level": diagnostic["level"],
        "code": diagnostic["code"]["code"],
        "message": of_a_function(&diagnostic["message"], is_block),
        "spans": spans,
        "children": children,
    })
}

/// Whether the attribute makes a block of the body: of everything but the body of a cached function that is no method and goes on in no
/// background.
fn becomes_a_block(attribute: &str, plain: &str) -> bool {
    [
        "invalidate_cache",
        "cache_response",
        "stale_while_revalidate",
        "skip(self)",
    ]
    .iter()
    .any(|option| attribute.contains(option))
        || plain.contains("Box::pin")
}

/// What is said of the place of a return type, or proposed in functions alone.
fn is_of_functions(text: &Value) -> bool {
    let text = text.as_str().unwrap_or_default();
    let begins = [
        "return type inferred to be",
        "this function returns",
        "this function should return",
        "consider cloning the value if the performance cost is acceptable",
        "you might have meant to return this value",
    ];
    let ends = ["because of return type", "because of this return type"];
    begins.iter().any(|begin| text.starts_with(begin)) || ends.iter().any(|end| text.ends_with(end))
}

fn of_a_function(text: &Value, is_block: bool) -> Value {
    if !is_block {
        return text.clone();
    }
    text.as_str()
        .map(|text| {
            text.replace("an async block that", "an async function that")
                .replace(
                    "(dyn Future<Output = u64> + Send + 'static)",
                    "dyn Future<Output = u64> + Send",
                )
        })
        .into()
}

fn place(span: &Value, is_block: bool) -> Value {
    let names = [
        "file_name",
        "line_start",
        "column_start",
        "line_end",
        "column_end",
        "is_primary",
        "suggested_replacement",
        "suggestion_applicability",
    ];
    let mut place: serde_json::Map<String, Value> = names
        .iter()
        .map(|name| ((*name).to_owned(), span[*name].clone()))
        .collect();
    // What comes from a macro is said to.
    place.insert("label".to_owned(), of_a_function(&span["label"], is_block));
    place.insert(
        "expansion".to_owned(),
        span["expansion"]["macro_decl_name"].clone(),
    );
    Value::Object(place)
}

fn is_about_send(diagnostic: &Value) -> bool {
    let message = diagnostic["message"].as_str().unwrap_or_default();
    diagnostic["level"] == "error" && message.contains("cannot be sent between threads")
}

/// What one says and the other does not. The attribute may itself ask for `Send`; then nobody else gets to.
fn differences(without: &Compiled, with: &Compiled, is_block: bool) -> Option<String> {
    let missing: Vec<&Value> = missing(without, with, is_block);
    let added: Vec<&Value> = self::missing(with, without, is_block);
    let may_be = missing
        .iter()
        .chain(&added)
        .all(|diagnostic| is_about_send(diagnostic));
    if (missing.is_empty() && added.is_empty()) || (added.len() == 1 && may_be) {
        return None;
    }
    let text = |diagnostics: &[&Value]| -> String {
        diagnostics
            .iter()
            .filter_map(|diagnostic| diagnostic["rendered"].as_str())
            .collect()
    };
    Some(format!(
        "-- without the attribute alone:\n{}-- with it alone:\n{}",
        text(&missing),
        text(&added)
    ))
}

/// The diagnostics of the one that the other lacks.
fn missing<'a>(of: &'a Compiled, from: &Compiled, is_block: bool) -> Vec<&'a Value> {
    let mut there: Vec<Value> = from
        .diagnostics
        .iter()
        .map(|diagnostic| essence(diagnostic, is_block))
        .collect();
    of.diagnostics
        .iter()
        .filter(|diagnostic| {
            let essence = essence(diagnostic, is_block);
            match there.iter().position(|other| *other == essence) {
                Some(index) => {
                    there.swap_remove(index);
                    false
                }
                None => true,
            }
        })
        .collect()
}

fn compare(file: &Path) -> Vec<String> {
    let source = std::fs::read_to_string(package().join(file)).expect("text");
    let (plain, programs) = variants(&source);
    let without = Program::text(&plain).check();
    let name = file.display();
    if without.diagnostics.is_empty() {
        return vec![format!("{name}: there is no mistake in it")];
    }
    programs
        .into_iter()
        .filter_map(|(attribute, program)| {
            let with = Program::text(&program).check();
            let differences = differences(&without, &with, becomes_a_block(&attribute, &plain))?;
            Some(format!("{name}: {attribute}\n{differences}"))
        })
        .collect()
}

#[test]
fn mistakes_in_bodies_are_told_as_if_there_were_no_attribute() {
    let wrong: Vec<String> = each(&programs("ui/body"), |file| compare(file)).concat();
    assert!(wrong.is_empty(), "{}\n{} differ", wrong.join("\n"), wrong.len());
}

#[test]
fn what_an_attribute_adds_is_seen() {
    let source =
        "//@ attribute\nasync fn f(id: f64) -> u64 { let unused = id; 1 }\nfn main() { drop(f(1.0)); }\n";
    let (plain, programs) = variants(source);
    let without = Program::text(&plain).check();
    assert_eq!(without.diagnostics.len(), 1, "{}", without.rendered());
    let (_, program) = &programs[0];
    let with = Program::text(program).check();
    let differences = differences(&without, &with, false).expect("a float cannot be in a key");
    assert!(differences.contains("with it alone:\nerror"), "{differences}");
    let (_, program) = programs.last().expect("an attribute");
    let moved = program.replace("unused = id", "used = id");
    let differences = self::differences(&without, &Program::text(&moved).check(), true);
    assert!(
        differences.is_some_and(|text| text.contains("-- without the attribute alone:\nwarning: unused"))
    );
}
