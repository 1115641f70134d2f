//! The router for operators, as a client sees it.

use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use cache_core::axum::Console;
use cache_core::{CacheManager, cache_response, invalidate_cache};
use serde_json::Value;

use crate::client::{Client, Reply};
use crate::server::Server;

#[cache_response(key = "routed:{name}", ttl = "60s", tags = ["routed"])]
async fn routed(Path(name): Path<String>) -> String {
    name
}

#[invalidate_cache(routed(name))]
async fn unrouted(Path(name): Path<String>) -> String {
    name
}

async fn server(manager: CacheManager) -> Server {
    let routes = Router::new()
        .route("/routed/{name}", get(routed).delete(unrouted))
        .nest("/cache", cache_core::axum::router(manager.clone()));
    Server::with(manager, routes).await
}

fn json(reply: &crate::client::Reply) -> Value {
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("content-type").as_deref(), Some("application/json"));
    assert_eq!(reply.header("cache-control").as_deref(), Some("no-store"));
    serde_json::from_slice(&reply.body).expect("JSON")
}

#[tokio::test]
async fn stats_are_json_with_every_counter_of_every_function() {
    let server = server(CacheManager::in_memory()).await;
    server.get("/routed/a").await;
    server.get("/routed/a").await;
    let stats = json(&server.get("/cache/stats").await);
    let function = &stats["functions"]["handlers::router::routed"];
    assert_eq!(
        (function["loads"].as_u64(), function["memory_hits"].as_u64()),
        (Some(1), Some(1))
    );
    let names = [
        "memory_hits",
        "redis_hits",
        "misses",
        "loads",
        "load_time",
        "coalesced",
        "stale_served",
        "evictions",
        "invalidations",
        "errors",
        "bytes",
    ];
    for name in names {
        assert!(stats["total"][name].is_number(), "total.{name}");
        assert!(function[name].is_number(), "{name}");
    }
}

#[tokio::test]
async fn health_is_200_while_redis_is_away() {
    let redis = tests::RedisServer::start();
    let manager = CacheManager::builder()
        .redis_url(redis.url())
        .key_prefix(tests::unique_prefix())
        .build()
        .await
        .expect("a manager");
    let server = server(manager).await;
    let health = json(&server.get("/cache/health").await);
    assert_eq!(
        (&health["status"], &health["redis"]["connected"]),
        (&"healthy".into(), &true.into())
    );
    redis.kill();
    // Each look asks Redis itself.
    let health = json(&server.get("/cache/health").await);
    assert_eq!(
        (&health["status"], &health["redis"]["breaker"]),
        (&"degraded".into(), &"open".into())
    );
}

#[tokio::test]
async fn metrics_are_what_prometheus_reads_and_do_not_grow_with_keys() {
    let server = server(CacheManager::in_memory()).await;
    server.get("/routed/secret-name").await;
    server.get("/routed/secret-name").await;
    let reply = server.get("/cache/metrics").await;
    assert_eq!(
        reply.header("content-type").as_deref(),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    let text = reply.text();
    for line in [
        "# TYPE cache_hits_total counter",
        "cache_hits_total{function=\"handlers::router::routed\",template=\"routed:{name}\",tier=\"memory\"} 1",
        "cache_hits_total{function=\"handlers::router::routed\",template=\"routed:{name}\",tier=\"redis\"} 0",
        "cache_loads_total{function=\"handlers::router::routed\",template=\"routed:{name}\"} 1",
        "# TYPE cache_load_seconds histogram",
        "cache_load_seconds_bucket{function=\"handlers::router::routed\",template=\"routed:{name}\",le=\"+Inf\"} 1",
        "cache_load_seconds_count{function=\"handlers::router::routed\",template=\"routed:{name}\"} 1",
        "# TYPE cache_entries gauge",
        "cache_entries 1",
    ] {
        assert!(text.lines().any(|other| other == line), "{line}\n{text}");
    }
    assert!(!text.contains("secret-name"));
    for number in 0..50 {
        server.get(&format!("/routed/{number}")).await;
    }
    let lines = |text: &str| text.lines().count();
    assert_eq!(lines(server.get("/cache/metrics").await.text()), lines(text));
}

#[tokio::test]
async fn every_line_of_the_metrics_is_a_comment_or_a_sample_of_a_described_name() {
    let server = server(CacheManager::in_memory()).await;
    server.get("/routed/a").await;
    server.manager.set("direct:1", &1).await.expect("a value");
    let reply = server.get("/cache/metrics").await;
    let mut described = std::collections::BTreeSet::new();
    let mut histograms = std::collections::BTreeSet::new();
    for line in reply.text().lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let name = rest.split(' ').next().expect("a name");
            assert!(described.insert(name.to_owned()), "{name} is described twice");
            if rest.ends_with(" histogram") {
                histograms.insert(name.to_owned());
            }
        } else if !line.starts_with("# HELP ") {
            let (series, value) = line.rsplit_once(' ').expect("a sample");
            assert!(value.parse::<f64>().is_ok(), "{line}");
            let name = series.split('{').next().expect("a name");
            let of_histogram = ["_bucket", "_sum", "_count"]
                .iter()
                .filter_map(|end| name.strip_suffix(end))
                .any(|name| histograms.contains(name));
            assert!(
                of_histogram || (described.contains(name) && !histograms.contains(name)),
                "{line}"
            );
        }
    }
}

#[tokio::test]
async fn the_catalogue_is_markdown_and_json_for_those_who_ask_for_it() {
    let server = server(CacheManager::in_memory()).await;
    let text = server.get("/cache/catalogue").await;
    assert_eq!(
        text.header("content-type").as_deref(),
        Some("text/markdown; charset=utf-8")
    );
    assert_eq!(text.header("vary").as_deref(), Some("accept"));
    assert!(text.text().starts_with("| cached function |"), "{}", text.text());
    assert!(text.text().contains("handlers::router::routed"));
    let reply = server
        .send("GET", "/cache/catalogue", &[("accept", "application/json")])
        .await;
    let catalogue = json(&reply);
    let row = |list: &str, path: &str| {
        let rows = catalogue[list].as_array().expect("rows");
        rows.iter()
            .find(|row| row["path"] == path)
            .cloned()
            .expect("a row")
    };
    let routed = row("cached", "handlers::router::routed");
    assert_eq!(routed["template"], "routed:{name}");
    assert_eq!(routed["ttl"], 60.0);
    assert_eq!(routed["tags"][0], "routed");
    assert_eq!(
        row("invalidators", "handlers::router::unrouted")["targets"][0],
        "routed(name)"
    );
}

#[tokio::test]
async fn the_page_needs_nothing_from_elsewhere_and_may_run_nothing_else() {
    let server = server(CacheManager::in_memory()).await;
    let page = server.get("/cache").await;
    assert_eq!(page.status, 200);
    assert_eq!(
        page.header("content-type").as_deref(),
        Some("text/html; charset=utf-8")
    );
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(
        policy.starts_with("default-src 'none'; script-src 'sha256-"),
        "{policy}"
    );
    assert!(!page.text().contains("{{"), "a place that was not filled");
    assert!(!page.text().contains("src=\"") && !page.text().contains("<link"));
}

#[tokio::test]
async fn popular_searches_are_told() {
    let manager = CacheManager::in_memory();
    manager.popular_searches().record("tea");
    let top = json(&server(manager).await.get("/cache/popular").await);
    assert_eq!(top, serde_json::json!([{ "text": "tea", "count": 1 }]));
}

/// Invalidates by hand, with this token or none, at a router with this token or none.
async fn by_hand(configured: &str, given: Option<&str>, body: &str) -> (Reply, bool) {
    let manager = CacheManager::in_memory();
    let routes = Router::new()
        .route("/routed/{name}", get(routed))
        .nest("/cache", Console::new(manager.clone()).token(configured).router());
    let server = Server::with(manager, routes).await;
    server.get("/routed/a").await;
    let given = given.map(|token| format!("Bearer {token}"));
    let mut headers = vec![("content-type", "application/json")];
    headers.extend(given.as_deref().map(|token| ("authorization", token)));
    let mut client = Client::connect(server.address).await;
    let reply = client
        .send_with_body("POST", "/cache/invalidate", &headers, body)
        .await;
    (reply, server.get("/routed/a").await.is_hit())
}

const KEY: &str = r#"{"kind": "key", "name": "routed:a"}"#;

#[tokio::test]
async fn nobody_invalidates_by_hand_where_no_token_is_configured() {
    for given in [None, Some(""), Some("x")] {
        let (reply, is_hit) = by_hand("", given, KEY).await;
        assert_eq!((reply.status, is_hit), (403, true), "{given:?}");
    }
}

#[tokio::test]
async fn nobody_invalidates_by_hand_with_another_token() {
    for given in [None, Some(""), Some("righ"), Some("right ")] {
        let (reply, is_hit) = by_hand("right", given, KEY).await;
        // Space around the value of a header is no part of it.
        let expected = if given == Some("right ") {
            (200, false)
        } else {
            (401, true)
        };
        assert_eq!((reply.status, is_hit), expected, "{given:?}");
    }
}

#[tokio::test]
async fn with_the_token_a_key_a_pattern_a_tag_and_a_function_are_invalidated() {
    let function = r#"{"kind": "function", "name": "handlers::router::routed"}"#;
    for body in [
        KEY,
        r#"{"kind": "pattern", "name": "rout*"}"#,
        r#"{"kind": "tag", "name": "routed"}"#,
        function,
    ] {
        let (reply, is_hit) = by_hand("right", Some("right"), body).await;
        assert_eq!((reply.status, is_hit), (200, false), "{body}");
    }
}

#[tokio::test]
async fn what_cannot_be_invalidated_by_hand_is_said() {
    for (body, says) in [
        (r#"{"kind": "key", "name": ""}"#, "`name` is not empty"),
        (r#"{"kind": "lead", "name": "x"}"#, "`kind` is `function`"),
        (r#"{"kind": "function", "name": "nobody"}"#, "no cached function"),
    ] {
        let (reply, is_hit) = by_hand("right", Some("right"), body).await;
        assert!(
            reply.status == 422 && is_hit && reply.text().contains(says),
            "{}",
            reply.text()
        );
    }
}
