#![deny(warnings)]

use cache_core::{cache_result, cache_search_results};

struct Range {
    from: u32,
    to: u32,
}

#[cache_result("analytics", |metric| metric.to_owned(), ttl = 1800)]
async fn bare(metric: &str) -> usize {
    metric.len()
}

#[cache_result("analytics")]
async fn bare_type(metric: &str, page: u32) -> usize {
    metric.len() + page as usize
}

#[cache_result(key_type = "range", key_fn = |metric, range| format!("{metric}-{}-{}", range.from, range.to))]
async fn closure(metric: String, range: Range) -> usize {
    metric.len() + (range.to - range.from) as usize
}

fn range_key(metric: &str, range: &Range) -> String {
    format!("{metric}-{}-{}", range.from, range.to)
}

#[cache_result(key_type = "range", key_fn = range_key, skip(page))]
async fn path(metric: String, range: &Range, page: u32) -> usize {
    metric.len() + (range.to - range.from + page) as usize
}

#[cache_result(key_fn = |a: &u64| a.to_string())]
async fn no_type(a: u64) -> u64 {
    a
}

#[cache_result]
async fn nothing_said(a: u64, b: Option<String>) -> u64 {
    a + b.map_or(0, |b| b.len() as u64)
}

#[cache_result]
async fn no_arguments() -> u64 {
    1
}

#[cache_search_results(key = "people:{text:lower}")]
async fn people(text: &str) -> Vec<u64> {
    vec![text.len() as u64]
}

#[cache_search_results("people", |text| text.to_owned())]
async fn people_by(text: &str) -> Vec<u64> {
    vec![text.len() as u64]
}

#[cache_result(key = "größe:地域-{a}:{a}{b}x{a}")]
async fn letters_of_any_script(a: u64, b: bool) -> u64 {
    a + u64::from(b)
}

struct Tenant(u64);

impl Tenant {
    #[cache_result("tenant", |tenant, id| format!("{}-{id}", tenant.0))]
    async fn closure(&self, id: u64) -> u64 {
        self.0 + id
    }
}

fn main() {
    assert_eq!(bare::key("sales").as_str(), "analytics:sales");
    assert_eq!(bare_type::key("sales", &2).as_str(), "analytics:sales:2");
    let range = Range { from: 1, to: 2 };
    assert_eq!(closure::key("m", &range).as_str(), path::key("m", &range).as_str());
    let key = nothing_said::key(&1, &None);
    assert!(key.as_str().contains(".nothing_said:1:"), "{key}");
    assert!(no_type::key(&5).as_str().ends_with(".no_type:5"));
    assert!(no_arguments::key().as_str().ends_with(".no_arguments"));
    assert!(letters_of_any_script::key(&1, &true).as_str().starts_with("größe:地域-1:1"));
    drop((bare("a"), bare_type("a", 1), closure(String::new(), Range { from: 1, to: 2 }), path(String::new(), &range, 1)));
    drop((nothing_said(1, None), no_arguments(), people("a"), people_by("a"), letters_of_any_script(1, true), no_type(1)));
    drop(Tenant(1).closure(2));
}
