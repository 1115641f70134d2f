//! Functions that do not fit together, and what is found about them.

mod bodies;

use cache_core::{Finding, Severity, cache_result, catalogue, invalidate_cache};

#[cache_result(key = "wrong:{user}:{id}", ttl = 1, tags = ["team:{user}"])]
async fn order(user: u64, id: u64) -> u64 {
    user + id
}

#[cache_result(key = "wrong:{tenant}:x{id}", ttl = 1)]
async fn invoice(tenant: u64, id: u64) -> u64 {
    tenant + id
}

/// Apart from the others: a value holds no `:`.
#[cache_result(key = "wrong:{id}", ttl = 1)]
async fn customer(id: u64) -> u64 {
    id
}

#[invalidate_cache(
    "wrong:{id}:*", "wrong:*", "wrng:*", "wrong:{id}:{id}:{id}", "wrong:{id}",
    tags = ["team:{id}", "town:{id}"]
)]
async fn change(id: u64) {
    let _ = id;
}

#[tokio::test]
async fn the_functions_are_what_they_were() {
    let cache = cache_core::CacheManager::in_memory();
    cache
        .scope(async {
            assert_eq!(
                (order(1, 2).await, invoice(1, 2).await, customer(1).await),
                (3, 3, 1)
            );
            change(1).await;
        })
        .await;
}

fn place(line: &str) -> usize {
    let lines = include_str!("wrong.rs").lines();
    lines.take_while(|other| !other.contains(line)).count() + 1
}

#[test]
fn templates_that_coincide_and_targets_that_match_nothing_are_errors() {
    let file = order::INFO.file();
    let (order, invoice) = (place("wrong:{user}:{id}"), place("wrong:{tenant}:x{id}"));
    let change = place("#[invalidate_cache(");
    let dropped = |target: &str, what: &str| {
        format!(
            "error: `catalogue::wrong::change` drops `{target}`, but {what}\n  {file}:{change}\n  \
             help: compare it with the keys and tags in the catalogue, or name the function itself"
        )
    };
    let expected = [
        format!(
            "error: `catalogue::wrong::invoice` and `catalogue::wrong::order` can have the same key, such as `wrong:0:x0`\n  \
             {file}:{invoice}: the key is `wrong:{{tenant}}:x{{id}}`\n  \
             {file}:{order}: the key is `wrong:{{user}}:{{id}}`\n  \
             help: begin the key of one of them with another name"
        ),
        dropped("\"wrng:*\"", "it matches no key of a cached function"),
        dropped("\"wrong:{id}:{id}:{id}\"", "no cached function has such a key"),
        dropped("tag \"town:{id}\"", "no cached function has such a tag"),
    ];
    let errors = catalogue()
        .check()
        .into_iter()
        .filter(|finding| finding.severity() == Severity::Error)
        .filter(|finding| !finding.to_string().contains("::bodies::"));
    let texts: Vec<String> = errors.map(|finding| finding.to_string()).collect();
    assert_eq!(texts, expected);
}

#[test]
fn errors_come_before_notes_and_can_be_told_apart() {
    let findings = catalogue().check();
    let severities: Vec<Severity> = findings.iter().map(Finding::severity).collect();
    assert!(severities.is_sorted_by(|one, next| one >= next), "{severities:?}");
    let is_about_keys = |finding: &Finding| {
        matches!(finding, Finding::SameKey { one, other, key }
            if one.name() == "invoice" && other.name() == "order" && key == "wrong:0:x0")
    };
    assert_eq!(
        findings.iter().filter(|finding| is_about_keys(finding)).count(),
        1
    );
}

#[test]
#[should_panic(expected = "do not fit together:\n\nerror: `catalogue::wrong::")]
fn a_test_of_a_program_fails_for_them() {
    catalogue().assert_sound();
}

#[test]
fn who_invalidates_whom_is_a_flowchart() {
    let graph = catalogue().graph();
    let expected = "\
flowchart LR
    f0[(\"catalogue::rows::by_path\")]
    f1[(\"catalogue::rows::clicks::count\")]
";
    assert!(graph.to_string().starts_with(expected), "{graph}");
    let node = |text: &str, path: &str| -> String {
        let line = text.lines().find(|line| line.contains(path)).expect("a node");
        line.trim()
            .chars()
            .take_while(char::is_ascii_alphanumeric)
            .collect()
    };
    let text = graph.to_string();
    let of = |path: &str| node(&text, path);
    let change = of("catalogue::wrong::change");
    let arrows: Vec<&str> = text
        .lines()
        .filter(|line| line.trim().starts_with(&format!("{change} -->")))
        .collect();
    let (customer, invoice, order) = (
        of("::wrong::customer"),
        of("::wrong::invoice"),
        of("::wrong::order"),
    );
    let arrow = |label: &str, to: &String| format!("    {change} -->|\"{label}\"| {to}");
    let expected = [
        arrow("#quot;wrong:{id}:*#quot;", &invoice),
        arrow("#quot;wrong:{id}:*#quot;", &order),
        arrow("#quot;wrong:*#quot;", &customer),
        arrow("#quot;wrong:*#quot;", &invoice),
        arrow("#quot;wrong:*#quot;", &order),
        arrow("#quot;wrong:{id}#quot;", &customer),
        arrow("tag #quot;team:{id}#quot;", &order),
    ];
    assert_eq!(arrows, expected);
    let dot = graph.dot().to_string();
    assert!(dot.starts_with(
        "digraph catalogue {\n    rankdir=LR;\n    f0 [shape=cylinder, label=\"catalogue::rows::by_path\"];\n"
    ));
    assert!(
        dot.contains(&format!(
            "    {change} -> {customer} [label=\"\\\"wrong:*\\\"\"];\n"
        )),
        "{dot}"
    );
    assert!(dot.ends_with("}\n"));
}
