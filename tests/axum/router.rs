//! The router for operators, as a client sees it.

use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use cache_core::{CacheManager, cache_response, invalidate_cache};
use serde_json::Value;

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
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
    loop {
        let health = json(&server.get("/cache/health").await);
        if health["status"] == "degraded" {
            assert_eq!(health["redis"]["breaker"], "open");
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "{health}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
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
        "cache_hits_total{function=\"handlers::router::routed\",tier=\"memory\"} 1",
        "cache_hits_total{function=\"handlers::router::routed\",tier=\"redis\"} 0",
        "cache_loads_total{function=\"handlers::router::routed\"} 1",
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
    for line in reply.text().lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let name = rest.split(' ').next().expect("a name");
            assert!(described.insert(name.to_owned()), "{name} is described twice");
        } else if !line.starts_with("# HELP ") {
            let (series, value) = line.rsplit_once(' ').expect("a sample");
            assert!(value.parse::<f64>().is_ok(), "{line}");
            let name = series.split('{').next().expect("a name");
            assert!(described.contains(name), "{line}");
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
