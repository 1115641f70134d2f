//! The dashboard for Grafana, against what the router tells Prometheus.

use std::collections::BTreeSet;

use cache_core::CacheManager;
use serde_json::Value;

use crate::server::Server;

/// All queries of a dashboard: of its panels, and of its variables.
fn queries(dashboard: &Value) -> Vec<String> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let panels = list(&dashboard["panels"]);
    let targets = panels.iter().flat_map(|panel| list(&panel["targets"]));
    let variables = list(&dashboard["templating"]["list"]);
    targets
        .filter_map(|target| text(&target["expr"]))
        .chain(variables.iter().filter_map(|one| text(&one["query"]["query"])))
        .collect()
}

/// The names in a query that are ours.
fn names(query: &str) -> impl Iterator<Item = &str> {
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    query
        .split(move |c| !is_of_name(c))
        .filter(|word| word.starts_with("cache_"))
}

#[tokio::test]
async fn every_query_of_the_dashboard_names_what_is_told_and_all_that_is_told_is_on_it() {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../cache-core/dashboards/grafana.json");
    let text = std::fs::read_to_string(file).expect("the dashboard");
    let dashboard: Value = serde_json::from_str(&text).expect("JSON");
    let queries = queries(&dashboard);
    assert!(queries.len() > 20, "{queries:#?}");

    let manager = CacheManager::builder()
        .redis_url(tests::shared().url())
        .key_prefix(tests::unique_prefix())
        .build()
        .await
        .expect("a manager");
    let server = Server::with(manager.clone(), cache_core::axum::router(manager)).await;
    let metrics = server.get("/metrics").await;
    let samples = metrics.text().lines().filter(|line| !line.starts_with('#'));
    let told: BTreeSet<&str> = samples.filter_map(|line| line.split(['{', ' ']).next()).collect();

    let asked: BTreeSet<&str> = queries.iter().flat_map(|query| names(query)).collect();
    assert_eq!(asked, told);
}

#[test]
fn every_panel_of_the_dashboard_says_what_it_shows() {
    let text = include_str!("../../cache-core/dashboards/grafana.json");
    let dashboard: Value = serde_json::from_str(text).expect("JSON");
    let mut ids = BTreeSet::new();
    let mut titles = BTreeSet::new();
    for panel in dashboard["panels"].as_array().expect("panels") {
        assert!(ids.insert(panel["id"].as_u64().expect("a number")), "{panel}");
        assert!(
            titles.insert(panel["title"].as_str().expect("a title")),
            "{panel}"
        );
        if panel["type"] != "row" {
            assert!(
                panel["description"].as_str().is_some_and(|text| text.len() > 10),
                "{panel}"
            );
            assert!(
                panel["targets"]
                    .as_array()
                    .is_some_and(|targets| !targets.is_empty()),
                "{panel}"
            );
        }
    }
}
