//! That what is said to have nothing in common has nothing in common, for templates and values of all kinds.

use proptest::prelude::*;

use super::Catalogue;
use super::language::Language;
use crate::engine::info::{FunctionInfo, TargetInfo};
use crate::key::digest_of_bytes;
use crate::{CacheKey, KeyWriter, glob};

#[derive(Debug, Clone)]
enum Value {
    Text(String),
    Number(i64),
    Maybe(Option<String>),
    List(Vec<String>),
}

impl CacheKey for Value {
    fn write_key(&self, out: &mut KeyWriter) {
        match self {
            Self::Text(text) => text.write_key(out),
            Self::Number(number) => number.write_key(out),
            Self::Maybe(maybe) => maybe.write_key(out),
            Self::List(list) => list.write_key(out),
        }
    }
}

/// A part of a template, with the value of its placeholder.
#[derive(Debug, Clone)]
enum Part {
    Literal(&'static str),
    Plain(Value),
    Lower(String),
    Hash(String),
}

fn text(parts: &[Part]) -> String {
    let text = |part: &Part| match part {
        Part::Literal(text) => *text,
        Part::Plain(_) => "{x}",
        Part::Lower(_) => "{x:lower}",
        Part::Hash(_) => "{x.y:hash}",
    };
    parts.iter().map(text).collect()
}

/// What an expansion does.
fn write(parts: &[Part], literal: fn(&mut KeyWriter, &str)) -> KeyWriter {
    let mut writer = KeyWriter::new();
    for (index, part) in parts.iter().enumerate() {
        let next = match parts.get(index + 1) {
            Some(Part::Literal(text)) => text.bytes().next().filter(|byte| *byte != b':'),
            _ => None,
        };
        match part {
            Part::Literal(text) => literal(&mut writer, text),
            Part::Plain(value) => writer.before(next.unwrap_or(0), |writer| value.write_key(writer)),
            Part::Lower(text) => writer.before(next.unwrap_or(0), |writer| writer.text(&text.to_lowercase())),
            Part::Hash(text) => writer.digest(text.as_bytes(), digest_of_bytes),
        }
    }
    writer
}

fn key(parts: &[Part]) -> String {
    String::from_utf8(write(parts, KeyWriter::literal).finish().to_vec()).unwrap()
}

fn word() -> impl Strategy<Value = String> {
    let letter = prop::sample::select(vec![
        "a", "b", "E", "-", ":", ",", "(", "%", "2", "é", "*", "\\", "]", "{",
    ]);
    prop::collection::vec(letter, 0..4).prop_map(|letters| letters.concat())
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        word().prop_map(Value::Text),
        any::<i64>().prop_map(Value::Number),
        prop::option::of(word()).prop_map(Value::Maybe),
        prop::collection::vec(word(), 0..3).prop_map(Value::List),
    ]
}

fn parts(literals: &'static [&'static str]) -> impl Strategy<Value = Vec<Part>> {
    let part = prop_oneof![
        3 => prop::sample::select(literals).prop_map(Part::Literal),
        2 => value().prop_map(Part::Plain),
        1 => word().prop_map(Part::Lower),
        1 => word().prop_map(Part::Hash),
    ];
    prop::collection::vec(part, 0..5)
}

const KEY: &[&str] = &[":", "a", "b", "E", "-", ",", ")", "2", "é", "e", "n"];
const PATTERN: &[&str] = &[
    ":", "a", "b", "2", "*", "?", "[", "]", "[ab]", "[^a]", "^", "-", "\\",
];

fn template() -> impl Strategy<Value = Vec<Part>> {
    parts(KEY).prop_map(|mut parts| {
        parts.insert(0, Part::Literal("n:"));
        parts
    })
}

fn accepts(language: &Language, text: &str) -> bool {
    language.common(&Language::of_template(text, None)).is_some()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn every_key_of_a_template_is_one_that_it_is_said_to_have(parts in template()) {
        let language = Language::of_template(&text(&parts), None);
        prop_assert!(accepts(&language, &key(&parts)), "{} gives {}", text(&parts), key(&parts));
    }

    #[test]
    fn templates_that_cannot_coincide_never_give_the_same_key(one in template(), other in template()) {
        let [a, b] = [&one, &other].map(|parts| Language::of_template(&text(parts), None));
        match a.common(&b) {
            None => prop_assert_ne!(key(&one), key(&other)),
            Some(key) => prop_assert!(accepts(&a, &key) && accepts(&b, &key), "{}", key),
        }
    }

    #[test]
    fn a_pattern_that_matches_nothing_of_a_template_matches_none_of_its_keys(
        pattern in parts(PATTERN), template in template()
    ) {
        let rendered = write(&pattern, KeyWriter::raw).into_pattern();
        let language = Language::of_pattern(&text(&pattern));
        let key = key(&template);
        if language.common(&Language::of_template(&text(&template), None)).is_none() {
            prop_assert!(!glob::matches(rendered.as_bytes(), key.as_bytes()), "{} matches {}", rendered, key);
        }
    }

    #[test]
    fn what_a_pattern_matches_is_what_it_is_said_to_match(pattern in parts(PATTERN), key in "[ab2:%\\[\\]^-]{0,6}") {
        let rendered = write(&pattern, KeyWriter::raw).into_pattern();
        let matches = glob::matches(rendered.as_bytes(), key.as_bytes());
        let accepted = accepts(&Language::of_pattern(&text(&pattern)), &key);
        prop_assert!(accepted || !matches, "{} matches {}", rendered, key);
        if pattern.iter().all(|part| matches!(part, Part::Literal(_))) {
            prop_assert_eq!(accepted, matches, "{} on {}", rendered, key);
        }
    }
}

#[test]
fn templates_coincide_where_some_values_make_them() {
    let cases = [
        ("a:{x}", "a:{y.0}", Some("a:0")),
        ("a:{x}", "b:{x}", None),
        ("a:{x}", "a:{x}:{y}", None),
        ("a:{x}:meta", "a:{x}:status", None),
        ("a:{x}:meta", "a:{x}:{y}", Some("a:0:meta")),
        ("a:{x}-{y}", "a:{x}", Some("a:0-0")),
        ("a:{x}b", "a:{x}c", None),
        ("a:{x}:{y}", "a:all", None),
        ("a:{x}", "a:all", Some("a:all")),
        ("a:{x}", "a:größe", None),
        ("a:{x:lower}", "a:All", None),
        ("a:{x:hash}", "a:all", None),
        ("a:{x:hash}", "a:{y}", Some("a:00000000000000000000000000000000")),
    ];
    for (one, other, expected) in cases {
        let [a, b] = [one, other].map(|text| Language::of_template(text, None));
        assert_eq!(a.common(&b).as_deref(), expected, "{one} and {other}");
        assert_eq!(b.common(&a).is_some(), expected.is_some(), "{other} and {one}");
    }
}

#[test]
fn the_digest_of_all_arguments_has_32_digits() {
    let digest = Language::of_template("search:{query_hash}", Some("query_hash"));
    assert!(!accepts(&digest, "search:top"));
    assert!(accepts(&digest, &format!("search:{}", digest_of_bytes(b"x"))));
    assert!(accepts(
        &Language::of_template("search:{query_hash}", None),
        "search:top"
    ));
}

#[test]
fn a_method_may_be_of_any_type() {
    let keys = Language::of_method("app::users", "get", ":{id}");
    for key in [
        "app.users.User.get:7",
        "app.users.%3Capp.api.Page%3Cu8%3E%3E.get:7",
    ] {
        assert!(accepts(&keys, key), "{key}");
    }
    for key in ["app.users.get:7", "app.users.User.set:7", "app.User.get:7"] {
        assert!(!accepts(&keys, key), "{key}");
    }
}

static LEAD: FunctionInfo =
    FunctionInfo::cached("app::get_lead", "lead:{id}", "Lead").tagged(&["city:{city}"]);
static PREFS: FunctionInfo = FunctionInfo::cached("app::prefs", "lead:{id}:prefs", "Prefs");
static MOVE: FunctionInfo = FunctionInfo::invalidator(
    "app::move_lead",
    &[
        TargetInfo::OfFunction {
            written: "get_lead(id)",
            function: &LEAD,
        },
        TargetInfo::ByPattern("lead:{id}:*"),
        TargetInfo::ByTag("city:{result.city}"),
    ],
);

#[test]
fn the_graph_has_a_node_for_each_function_and_an_arrow_for_each_target() {
    let graph = Catalogue::of(vec![&MOVE, &PREFS, &LEAD]).graph();
    let mermaid = "\
flowchart LR
    f0[(\"app::get_lead\")]
    f1[(\"app::prefs\")]
    f2[\"app::move_lead\"]
    f2 -->|\"get_lead(id)\"| f0
    f2 -->|\"#quot;lead:{id}:*#quot;\"| f1
    f2 -->|\"tag #quot;city:{result.city}#quot;\"| f0
";
    assert_eq!(graph.to_string(), mermaid);
    let dot = r#"digraph catalogue {
    rankdir=LR;
    f0 [shape=cylinder, label="app::get_lead"];
    f1 [shape=cylinder, label="app::prefs"];
    f2 [shape=box, label="app::move_lead"];
    f2 -> f0 [label="get_lead(id)"];
    f2 -> f1 [label="\"lead:{id}:*\""];
    f2 -> f0 [label="tag \"city:{result.city}\""];
}
"#;
    assert_eq!(graph.dot().to_string(), dot);
}

#[test]
fn a_catalogue_without_functions_is_sound() {
    let empty = Catalogue::of(Vec::new());
    empty.assert_sound();
    assert_eq!(empty.graph().to_string(), "flowchart LR\n");
}
