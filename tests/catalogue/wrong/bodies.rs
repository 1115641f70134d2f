//! What `invalidate!` names in a body is in the catalogue as what an attribute names.

use cache_core::{CacheKey, Finding, TargetInfo, cache_result, catalogue, invalidate};

#[cache_result(key = "slip:{id}", ttl = 1, tags = ["desk:{id}"])]
async fn slip(id: u64) -> u64 {
    id
}

async fn shred(id: u64) {
    invalidate!(slip(id), "slap:{id}:*").await;
}

/// There is one row for all types.
async fn clear<T: CacheKey>(desk: T) {
    invalidate!(slip(..), tags = ["desk:{desk}"]).await;
}

#[tokio::test]
async fn what_is_named_is_dropped() {
    let cache = cache_core::CacheManager::in_memory();
    cache
        .scope(async {
            for round in 1..4 {
                assert_eq!(slip(1).await, 1);
                assert_eq!(slip::peek(&1).await, Some(1));
                match round {
                    1 => shred(1).await,
                    2 => clear(1_u64).await,
                    _ => clear("1").await,
                }
                assert_eq!(slip::peek(&1).await, None, "round {round}");
            }
        })
        .await;
}

#[test]
fn each_has_a_row_at_its_place() {
    let rows: Vec<(u32, Vec<String>)> = catalogue()
        .invalidators()
        .filter(|row| row.path() == concat!(module_path!(), "::invalidate!"))
        .map(|row| {
            assert!(row.file().ends_with("bodies.rs"), "{}", row.file());
            (
                row.line(),
                row.targets().iter().map(TargetInfo::to_string).collect(),
            )
        })
        .collect();
    let line = |text: &str| {
        let before = include_str!("bodies.rs")
            .lines()
            .take_while(|line| !line.contains(text));
        u32::try_from(before.count() + 1).expect("a line")
    };
    let expected = [
        (
            line("invalidate!(slip(id)"),
            vec!["slip(id)".to_owned(), "\"slap:{id}:*\"".to_owned()],
        ),
        (
            line("invalidate!(slip(..)"),
            vec!["slip(..)".to_owned(), "tag \"desk:{desk}\"".to_owned()],
        ),
    ];
    assert_eq!(rows, expected);
}

#[test]
fn what_matches_nothing_is_found() {
    let findings = catalogue().check();
    let here = |path: &str| path.starts_with(module_path!());
    let dropping: Vec<String> = findings
        .iter()
        .filter_map(|finding| match finding {
            Finding::DropsNothing { invalidator, target } if here(invalidator.path()) => {
                Some(target.to_string())
            }
            _ => None,
        })
        .collect();
    assert_eq!(dropping, ["\"slap:{id}:*\""]);
    let never = findings
        .iter()
        .any(|finding| matches!(finding, Finding::NeverDropped { function } if here(function.path())));
    assert!(!never, "bodies drop it");
}

#[test]
fn the_graph_has_an_arrow_for_each() {
    let graph = catalogue().graph().dot().to_string();
    let labels: Vec<&str> = graph
        .lines()
        .filter_map(|line| {
            line.split_once("-> f")?
                .1
                .split_once(" [label=\"")?
                .1
                .strip_suffix("\"];")
        })
        .collect();
    for label in ["slip(id)", "slip(..)", "tag \\\"desk:{desk}\\\""] {
        assert_eq!(
            labels.iter().filter(|found| **found == label).count(),
            1,
            "{label} in {graph}"
        );
    }
    let row = catalogue()
        .invalidators()
        .find(|row| row.path() == concat!(module_path!(), "::invalidate!"))
        .expect("a row");
    assert!(
        graph.contains(&format!("label=\"{}:{}\"", row.path(), row.line())),
        "{graph}"
    );
}
