//! Keys as users see them (contract, section 3: K1 to K7), through the attributes and the handles.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use cache_core::{CacheKey, CacheManager, Key, cache_result, cache_search_results, invalidate_cache};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

#[cache_result(key = "pair:{a}:{b}")]
async fn pair(a: &str, b: &str) -> String {
    format!("{a}|{b}")
}

#[cache_result(key = "glued:{a}{b}-{c}x{d}")]
async fn glued(a: &str, b: &str, c: &str, d: &str) -> String {
    format!("{a}|{b}|{c}|{d}")
}

#[cache_result(key = "mixed:{a}:{list}:{n}")]
async fn mixed(a: Option<String>, list: Vec<Option<String>>, n: i64) -> String {
    format!("{a:?}|{list:?}|{n}")
}

#[cache_result(key = "generic:{id}")]
async fn generic<T: CacheKey>(id: &T) -> Option<String> {
    None
}

#[derive(Debug, Clone, PartialEq, CacheKey)]
enum Scope {
    All,
    One(String),
    Range { from: u32, to: u32 },
}

#[cache_result(key = "scoped:{scope}:{tag}")]
async fn scoped(scope: Scope, tag: String) -> String {
    format!("{scope:?}|{tag}")
}

fn scopes() -> impl Strategy<Value = Scope> {
    prop_oneof![
        Just(Scope::All),
        "(All|Range|[(),%n]|){0,3}".prop_map(Scope::One),
        (0u32..3, 0u32..30).prop_map(|(from, to)| Scope::Range { from, to }),
    ]
}

/// Short texts over the characters that could confuse.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[-:%*x,()a1~n]{0,4}",
        ".{0,6}",
        Just("None".to_owned()),
        Just("%n".to_owned())
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn k3_two_calls_that_differ_have_different_keys(a in text(), b in text(), c in text(), d in text()) {
        let same = (&a, &b) == (&c, &d);
        prop_assert_eq!(pair::key(&a, &b) == pair::key(&c, &d), same);
        let texts = [&a, &b, &c, &d];
        let turned = [&b, &a, &d, &c];
        let key = |t: [&String; 4]| glued::key(t[0], t[1], t[2], t[3]);
        prop_assert_eq!(key(texts) == key(turned), texts == turned);
        let joined = [&format!("{a}{b}"), &String::new(), &c, &d];
        prop_assert_eq!(key(texts) == key(joined), texts == joined);
        let moved = [&a, &b, &format!("{c}x{d}"), &String::new()];
        prop_assert_eq!(key(texts) == key(moved), texts == moved);
    }

    #[test]
    fn k3_options_and_lists_differ_as_their_values_do(
        one in (proptest::option::of(text()), proptest::collection::vec(proptest::option::of(text()), 0..3), -2i64..2),
        two in (proptest::option::of(text()), proptest::collection::vec(proptest::option::of(text()), 0..3), -2i64..2),
    ) {
        let key = |(a, list, n): &(Option<String>, Vec<Option<String>>, i64)| mixed::key(a, list, n);
        prop_assert_eq!(key(&one) == key(&two), one == two);
    }

    #[test]
    fn k3_derived_keys_differ_as_their_values_do(one in (scopes(), text()), two in (scopes(), text())) {
        prop_assert_eq!(scoped::key(&one.0, &one.1) == scoped::key(&two.0, &two.1), one == two);
    }

    #[test]
    fn k3_a_hit_is_that_of_the_same_arguments(calls in proptest::collection::vec((text(), text()), 2..12)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let cache = CacheManager::in_memory();
        runtime.block_on(cache.scope(async {
            for _ in 0..2 {
                for (a, b) in &calls {
                    assert_eq!(pair(a, b).await, format!("{a}|{b}"));
                    assert_eq!(mixed(Some(a.clone()), vec![None, Some(b.clone())], 1).await,
                        format!("{:?}|{:?}|1", Some(a), [None, Some(b)]));
                    assert_eq!(scoped(Scope::One(a.clone()), b.clone()).await, format!("{:?}|{b}", Scope::One(a.clone())));
                }
            }
        }));
    }

    #[test]
    fn k4_a_value_never_widens_a_pattern(id in text(), other in text()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let cache = CacheManager::in_memory();
        runtime.block_on(cache.scope(async {
            pair(&id, "1").await;
            pair(&other, "1").await;
            forget(&id).await;
            assert!(!cache.exists(pair::key(&id, "1")).await);
            assert_eq!(cache.exists(pair::key(&other, "1")).await, id != other);
        }));
    }
}

#[invalidate_cache("pair:{id}:*")]
async fn forget(id: &str) {
    let _ = id;
}

#[test]
fn k2_ordinary_values_appear_as_written() {
    assert_eq!(
        pair::key("ann@example.com", "c_1").as_str(),
        "pair:ann@example.com:c_1"
    );
    assert_eq!(
        pair::key("a-b_c.d+e/f,g=h~i", "Z9").as_str(),
        "pair:a-b_c.d+e/f,g=h~i:Z9"
    );
    assert_eq!(glued::key("a", "b", "c", "d").as_str(), "glued:a%.b-cxd");
    assert_eq!(generic::key(&42_u64).as_str(), "generic:42");
    assert_eq!(generic::key(&-1_i128).as_str(), "generic:-1");
    assert_eq!(generic::key(&'ä').as_str(), "generic:%C3%A4");
    assert_eq!(generic::key(&Cow::Borrowed("x")).as_str(), "generic:x");
    assert_eq!(generic::key(&Arc::<str>::from("x")).as_str(), "generic:x");
    assert_eq!(generic::key(&[true, false]).as_str(), "generic:(true,false)");
    assert_eq!(scoped::key(&Scope::All, "t").as_str(), "scoped:All:t");
}

#[test]
fn k3_every_control_and_glob_character_is_escaped() {
    for byte in 0..=127_u8 {
        let text = char::from(byte).to_string();
        let key = pair::key(&text, "x");
        let value = key
            .as_str()
            .strip_prefix("pair:")
            .and_then(|rest| rest.strip_suffix(":x"))
            .expect("the template");
        let plain = byte.is_ascii_alphanumeric() || b"-_.@+/,=~".contains(&byte);
        assert_eq!(value, if plain { text } else { format!("%{byte:02X}") });
    }
}

#[test]
fn k5_a_key_is_never_longer_than_512_bytes() {
    let key = pair::key(&"a".repeat(300), &"b".repeat(300));
    assert_eq!(key.as_str().len(), 512);
    assert_ne!(key, pair::key(&"a".repeat(300), &"b".repeat(301)));
    assert_eq!(pair::key(&"a".repeat(300), &"b".repeat(206)).as_str().len(), 512);
}

#[tokio::test]
async fn k5_long_keys_are_served_and_invalidated_like_others() {
    let cache = CacheManager::in_memory();
    cache
        .scope(async {
            let (long, other) = ("a".repeat(600), "b".repeat(600));
            assert_eq!(pair(&long, "1").await, pair(&long, "1").await);
            pair(&other, "1").await;
            assert_eq!(cache.stats().total.memory_hits, 1);
            forget(&long).await;
            assert!(!cache.exists(pair::key(&long, "1")).await);
        })
        .await;
}

#[cache_result(key = "hashed:{text:hash}:{number:hash}:{filter:hash}:{name:lower}")]
async fn hashed(text: &str, number: f64, filter: &Filter, name: &str) -> u8 {
    1
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Filter {
    city: Option<String>,
    tags: Vec<u8>,
    by: HashMap<String, f64>,
}

#[test]
fn k6_digests_are_of_the_text_itself_or_of_canonical_json() {
    let filter = Filter {
        by: HashMap::from([("b".into(), 1.5), ("a".into(), 2.0)]),
        ..Filter::default()
    };
    // Each is the beginning of what `sha256sum` gives for `ann`, `0.5` and `{"by":{"a":2.0,"b":1.5},"tags":[]}`.
    assert_eq!(
        hashed::key("ann", &0.5, &filter, "ANN Ä").as_str(),
        "hashed:49915e0d7d4b402e3017d010bc1c0e83:d2cbad71ff333de67d07ec676e352ab7:\
         b36e9be0c766a05ae1739bb4d4ca02e8:ann%20%C3%A4"
    );
}

#[cache_search_results]
async fn one(text: &str, filter: Filter) -> Vec<u8> {
    vec![]
}

#[cache_search_results]
async fn two(text: &str, filter: Filter) -> Vec<u8> {
    vec![]
}

#[test]
fn k6_two_search_functions_never_share_an_entry() {
    let (a, b) = (
        one::key("x", &Filter::default()),
        two::key("x", &Filter::default()),
    );
    assert_ne!(a, b);
    assert!(a.as_str().starts_with("search:") && a.as_str().len() == "search:".len() + 32);
    assert_ne!(a, one::key("y", &Filter::default()));
}

#[test]
fn k7_uuids_and_dates_are_parts_of_keys() {
    let key: Key = generic::key(&uuid::Uuid::from_u128(0x1234));
    assert_eq!(key.as_str(), "generic:00000000-0000-0000-0000-000000001234");
    let day = chrono::NaiveDate::from_ymd_opt(2024, 2, 29).expect("a day");
    assert_eq!(generic::key(&day).as_str(), "generic:2024-02-29");
    let noon = day.and_hms_opt(12, 0, 0).expect("a time").and_utc();
    let same = noon.with_timezone(&chrono::FixedOffset::east_opt(3600).expect("a zone"));
    assert_eq!(generic::key(&noon), generic::key(&same));
    assert_eq!(generic::key(&noon).as_str(), "generic:2024-02-29T12%3A00%3A00");
}

mod module {
    use super::cache_result;

    #[cache_result]
    pub(super) async fn plain(id: u64, _name: &str) -> u64 {
        id
    }

    #[cache_result("analytics", |metric| metric.to_owned(), ttl = 1800)]
    pub(super) async fn metric(metric: &str) -> f64 {
        0.5
    }
}

#[test]
fn without_a_key_the_namespace_is_the_path_or_the_key_type() {
    assert_eq!(
        module::plain::key(&7, "a b").as_str(),
        "it.keys.module.plain:7:a%20b"
    );
    assert_eq!(module::metric::key("cpu").as_str(), "analytics:cpu");
}
