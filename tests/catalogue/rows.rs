//! Functions that fit together, and what the catalogue tells of them.

use std::time::Duration;

use cache_core::{
    FunctionInfo, Severity, Tier, cache_lead_data, cache_result, cache_search_results, catalogue,
    invalidate_cache,
};
use serde::{Deserialize, Serialize};
use tests::annotated::shelf;

#[derive(Clone, Serialize, Deserialize)]
struct Lead {
    id: u64,
    city: String,
}

#[cache_lead_data(tags = ["city:{city}"], skip(city))]
async fn get_lead(lead_id: u64, city: &str) -> Result<Option<Lead>, std::io::Error> {
    Ok(Some(Lead {
        id: lead_id,
        city: city.to_owned(),
    }))
}

#[cache_search_results(ttl = 60, jitter = 0.25)]
async fn search(text: String) -> Vec<Lead> {
    drop(text);
    Vec::new()
}

#[cache_search_results]
async fn search_by_city(city: String) -> Vec<Lead> {
    drop(city);
    Vec::new()
}

#[cache_result(
    key = "metric:{name}:day", ttl = "1h30m", stale_if_error = "1d", none_ttl = 5, version = 3,
    tier = memory
)]
async fn metric(name: &str) -> Result<Option<std::sync::Arc<(f64, &'static str)>>, std::fmt::Error> {
    let _ = name;
    Err(std::fmt::Error)
}

#[cache_result]
async fn by_path(id: u64) -> u64 {
    id
}

#[cache_result(key_type = "computed", key_fn = |id| id.to_string(), ttl = Duration::from_secs(id))]
async fn computed(id: u64) -> u64 {
    id
}

struct Repo<T> {
    tenant: T,
}

impl<T: Clone + Send + Sync + Serialize + serde::de::DeserializeOwned + cache_core::CacheKey + 'static>
    Repo<T>
{
    #[cache_result(skip(self), ttl = 1)]
    async fn get(&self, id: u64) -> T {
        let _ = id;
        self.tenant.clone()
    }

    #[cache_result(key = "repo:{self.tenant}:{id}", ttl = 1)]
    async fn tenant(&self, id: u64) -> Option<T> {
        (id > 0).then(|| self.tenant.clone())
    }

    #[invalidate_cache(Self::get(id), self.tenant(id))]
    async fn change(&self, id: u64) {
        let _ = (self, id);
    }
}

#[invalidate_cache(get_lead(result.id), search(..), "metric:{id}:*", tags = ["city:{result.city}"])]
async fn update(id: u64) -> Result<Lead, std::io::Error> {
    Ok(Lead {
        id,
        city: String::new(),
    })
}

#[invalidate_cache(tests::annotated::shelf(name))]
async fn tidy_up(name: &str) {
    let _ = name;
}

#[cfg(any())]
#[cache_result(key = "absent:{id}", ttl = 1)]
async fn absent(id: u64) -> u64 {
    id
}

#[cache_result(key = "absent:{id}", ttl = 1)]
#[cfg(any())]
async fn absent_too(id: u64) -> u64 {
    id
}

macro_rules! counters {
    ($($module:ident),*) => {$(
        mod $module {
            use cache_core::cache_result;

            #[cache_result(ttl = 1)]
            pub(super) async fn count(id: u64) -> u64 {
                id
            }
        }
    )*};
}
counters!(visits, clicks);

/// Several functions of one name at one place, as a macro may write them for several types.
macro_rules! loads {
    ($($type:ident),*) => {$(
        struct $type;

        impl $type {
            #[cache_result(key = "load:{id}", skip(self), ttl = 1)]
            async fn load(&self, id: u64) -> u64 {
                let _ = self;
                id
            }
        }
    )*};
}
loads!(First, Second);

/// What is wrong on purpose is elsewhere.
fn here() -> Vec<&'static FunctionInfo> {
    let rows = catalogue().functions().iter().copied();
    rows.filter(|row| !row.path().starts_with("catalogue::wrong"))
        .collect()
}

#[tokio::test]
async fn the_functions_are_what_they_were() {
    let cache = cache_core::CacheManager::in_memory();
    cache
        .scope(async {
            let repo = Repo { tenant: 7_u8 };
            assert_eq!((repo.get(1).await, repo.tenant(1).await), (7, Some(7)));
            repo.change(1).await;
            assert!(metric("x").await.is_err());
            assert!(
                search("x".to_owned()).await.is_empty() && search_by_city("x".to_owned()).await.is_empty()
            );
            assert_eq!(get_lead(1, "Bonn").await.unwrap().unwrap().city, "Bonn");
            assert_eq!(update(1).await.unwrap().id, 1);
            assert_eq!((by_path(1).await, computed(1).await), (1, 1));
            assert_eq!((visits::count(1).await, clicks::count(2).await), (1, 2));
            assert_eq!((First.load(1).await, Second.load(2).await), (1, 2));
            assert_eq!(shelf("abc").await, Some(3));
            tidy_up("abc").await;
        })
        .await;
}

#[test]
fn every_annotated_function_of_both_crates_has_a_row() {
    let rows: Vec<(&str, String)> = here().iter().map(|row| (row.path(), row.template())).collect();
    let expected = [
        ("catalogue::rows::by_path", "catalogue.rows.by_path:{id}"),
        ("catalogue::rows::change", ""),
        (
            "catalogue::rows::clicks::count",
            "catalogue.rows.clicks.count:{id}",
        ),
        ("catalogue::rows::computed", "computed:{key_fn}"),
        ("catalogue::rows::get", "catalogue.rows.{type}.get:{id}"),
        ("catalogue::rows::get_lead", "lead:{lead_id}"),
        ("catalogue::rows::load", "load:{id}"),
        ("catalogue::rows::load", "load:{id}"),
        ("catalogue::rows::metric", "metric:{name}:day"),
        ("catalogue::rows::search", "search:{query_hash}"),
        ("catalogue::rows::search_by_city", "search:{query_hash}"),
        ("catalogue::rows::tenant", "repo:{self.tenant}:{id}"),
        ("catalogue::rows::tidy_up", ""),
        ("catalogue::rows::update", ""),
        (
            "catalogue::rows::visits::count",
            "catalogue.rows.visits.count:{id}",
        ),
        ("tests::annotated::move_shelf", ""),
        ("tests::annotated::shelf", "shelf:{name}"),
    ];
    let expected: Vec<(&str, String)> = expected.map(|(path, key)| (path, key.to_owned())).into();
    assert_eq!(rows, expected);
}

#[test]
fn a_handle_has_its_row() {
    let info = metric::INFO;
    assert!(catalogue().functions().contains(&info));
    assert_eq!(info.name(), "metric");
    assert!(info.file().ends_with("catalogue/rows.rs"), "{}", info.file());
    let line = include_str!("rows.rs")
        .lines()
        .position(|line| line.contains("key = \"metric:{name}:day\""));
    // The attribute begins a line above its options.
    assert_eq!(Some(info.line() as usize), line);
    assert_eq!(info.value(), "(f64, &'static str)");
    assert_eq!(info.ttl(), Some(Duration::from_secs(5400)));
    assert_eq!(info.none_ttl(), Some(Duration::from_secs(5)));
    assert_eq!(info.stale_if_error(), Some(Duration::from_secs(86_400)));
    assert_eq!((info.tier(), info.version()), (Tier::Memory, 3));
    assert_eq!((info.jitter(), info.soft_timeout()), (None, None));
    assert_eq!(get_lead::INFO.tags(), ["city:{city}"]);
    assert_eq!((get_lead::INFO.value(), get_lead::INFO.ttl()), ("Lead", None));
    assert!(computed::INFO.has_computed_ttl() && computed::INFO.ttl().is_none());
    assert_eq!(search::INFO.jitter(), Some(0.25));
}

/// The lines of a text that are not about what is wrong on purpose, without where things are.
fn lines(text: &str) -> String {
    let mut lines = String::new();
    for line in text.lines().filter(|line| !line.contains("catalogue::wrong")) {
        let shown = line.split("tests/").collect::<String>();
        let digits = |rest: &str| rest.trim_start_matches(|c: char| c.is_ascii_digit()).to_owned();
        let mut parts = shown.split(".rs:");
        lines += parts.next().unwrap_or_default();
        parts.for_each(|rest| lines += &(".rs".to_owned() + &digits(rest)));
        lines.push('\n');
    }
    lines
}

#[test]
fn the_catalogue_is_shown_as_tables() {
    let expected = "\
| cached function | place | key | fresh for | tags | value | options |
|---|---|---|---|---|---|---|
| `catalogue::rows::by_path` | catalogue/rows.rs | `catalogue.rows.by_path:{id}` | `CACHE_TTL_CATALOGUE_ROWS_BY_PATH` |  | `u64` |  |
| `catalogue::rows::clicks::count` | catalogue/rows.rs | `catalogue.rows.clicks.count:{id}` | 1s |  | `u64` |  |
| `catalogue::rows::computed` | catalogue/rows.rs | `computed:{key_fn}` | computed |  | `u64` |  |
| `catalogue::rows::get` | catalogue/rows.rs | `catalogue.rows.{type}.get:{id}` | 1s |  | `T` |  |
| `catalogue::rows::get_lead` | catalogue/rows.rs | `lead:{lead_id}` | `LEAD_CACHE_TTL` | `city:{city}` | `Lead` |  |
| `catalogue::rows::load` | catalogue/rows.rs | `load:{id}` | 1s |  | `u64` |  |
| `catalogue::rows::load` | catalogue/rows.rs | `load:{id}` | 1s |  | `u64` |  |
| `catalogue::rows::metric` | catalogue/rows.rs | `metric:{name}:day` | 1h30m |  | `(f64, &'static str)` | tier = memory, version = 3, none_ttl = 5s, stale_if_error = 1d |
| `catalogue::rows::search` | catalogue/rows.rs | `search:{query_hash}` | 1m |  | `Vec<Lead>` | jitter = 0.25 |
| `catalogue::rows::search_by_city` | catalogue/rows.rs | `search:{query_hash}` | `SEARCH_CACHE_TTL` |  | `Vec<Lead>` |  |
| `catalogue::rows::tenant` | catalogue/rows.rs | `repo:{self.tenant}:{id}` | 1s |  | `T` |  |
| `catalogue::rows::visits::count` | catalogue/rows.rs | `catalogue.rows.visits.count:{id}` | 1s |  | `u64` |  |
| `tests::annotated::shelf` | support/annotated.rs | `shelf:{name}` | 1m30s |  | `u32` |  |

| invalidator | place | drops |
|---|---|---|
| `catalogue::rows::change` | catalogue/rows.rs | `Self::get(id)`, `self.tenant(id)` |
| `catalogue::rows::tidy_up` | catalogue/rows.rs | `tests::annotated::shelf(name)` |
| `catalogue::rows::update` | catalogue/rows.rs | `get_lead(result.id)`, `search(..)`, `\"metric:{id}:*\"`, `tag \"city:{result.city}\"` |
| `tests::annotated::move_shelf` | support/annotated.rs | `shelf(name)` |
";
    assert_eq!(lines(&catalogue().to_string()), expected);
}

#[test]
fn functions_that_fit_together_are_without_errors() {
    let findings = catalogue().check();
    let here: Vec<String> = findings
        .iter()
        .map(|finding| lines(&finding.to_string()))
        .filter(|text| text.lines().next().is_some_and(|line| !line.starts_with("  ")))
        .collect();
    let notes: Vec<&str> = here.iter().filter_map(|text| text.lines().next()).collect();
    let never = |name: &str| {
        format!(
            "note: no `#[invalidate_cache]` and no `invalidate!` drops entries of `catalogue::rows::{name}`"
        )
    };
    let expected = [
        "by_path",
        "clicks::count",
        "computed",
        "load",
        "load",
        "search_by_city",
        "visits::count",
    ];
    assert_eq!(notes, expected.map(never));
    let notes = findings
        .iter()
        .filter(|finding| finding.severity() == Severity::Note);
    assert_eq!(notes.count(), expected.len());
}
