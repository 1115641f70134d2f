//! The service answers as it says, in memory and over Redis.

use std::net::SocketAddr;
use std::time::Duration;

use cache_core::{BackendMode, CacheManager};
use tokio::net::TcpListener;

use crate::api::{self, App};
use crate::db::Db;
use crate::http::{Answer, send, send_with};
use crate::redis_server::RedisServer;

/// A service over a database of its own.
struct Service {
    at: SocketAddr,
    cache: CacheManager,
    path: std::path::PathBuf,
}

impl Service {
    async fn start(cache: CacheManager, name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("leads_api_{name}_{}.db", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let app = App {
            db: Db::open(&path).await.expect("a database"),
            cache: cache.clone(),
        };
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let at = listener.local_addr().expect("an address");
        tokio::spawn(async move { axum::serve(listener, api::router(app)).await });
        Self { at, cache, path }
    }

    async fn get(&self, path: &str) -> Answer {
        send(self.at, "GET", path, "").await.expect("an answer")
    }

    fn loads(&self, function: &str) -> u64 {
        let functions = self.cache.stats().functions;
        functions.get(function).map_or(0, |function| function.loads)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        for end in ["", "-wal", "-shm"] {
            let mut path = self.path.clone().into_os_string();
            path.push(end);
            let _ = std::fs::remove_file(path);
        }
    }
}

const PAGE: &str = "leads_api::api::show";
const VALUE: &str = "leads_api::leads::get_lead";

async fn answers(cache: CacheManager, name: &str) {
    let service = Service::start(cache, name).await;

    // Three ways to one lead, and one answer.
    let page = service.get("/leads/7").await;
    assert_eq!(page.status, 200, "{}", page.body);
    assert_eq!(page.header("cache-status"), Some("cache-core; fwd=miss; stored"));
    let again = service.get("/leads/7").await;
    let status = again.header("cache-status").unwrap_or_default();
    assert!(status.starts_with("cache-core; hit; ttl="), "{status}");
    assert_eq!(again.body, page.body);
    assert_eq!(service.get("/leads/7/value").await.body, page.body);
    assert_eq!(service.get("/leads/7/uncached").await.body, page.body);
    assert_eq!((service.loads(PAGE), service.loads(VALUE)), (1, 1));

    // Who has the response is told so, with no body.
    let etag = page.header("etag").expect("an etag");
    let headers = format!("if-none-match: {etag}\r\n");
    let same = send_with(service.at, "GET", "/leads/7", &headers, "")
        .await
        .expect("an answer");
    assert_eq!((same.status, same.body.as_str()), (304, ""));

    // A write makes all of them anew.
    let changed = send(service.at, "PUT", "/leads/7", r#"{"name":"Ada Byron"}"#)
        .await
        .expect("an answer");
    assert_eq!(changed.status, 200, "{}", changed.body);
    for path in ["/leads/7", "/leads/7/value", "/leads/7/uncached"] {
        assert_eq!(service.get(path).await.body, changed.body, "{path}");
    }

    // What is not there is no answer to keep.
    for _ in 0..2 {
        let missing = service.get("/leads/60000").await;
        assert_eq!((missing.status, missing.header("age")), (404, None));
    }
    assert_eq!(service.get("/leads/x").await.status, 400);

    // What the operators see.
    assert_eq!(service.get("/health").await.status, 200);
    assert!(service.get("/stats").await.body.contains(PAGE));
    assert!(service.get("/metrics").await.body.contains(PAGE));
    assert!(service.get("/catalogue").await.body.contains("`page:{id}`"));
    assert!(service.get("/").await.body.contains("<html"));
}

#[tokio::test]
async fn it_answers_as_it_says_in_memory() {
    let builder = CacheManager::builder().backend(BackendMode::Memory);
    answers(builder.build().await.expect("a cache"), "memory").await;
}

#[tokio::test]
async fn it_answers_as_it_says_over_redis() {
    let server = RedisServer::start();
    for (mode, name) in [(BackendMode::Redis, "redis"), (BackendMode::Tiered, "tiered")] {
        let builder = CacheManager::builder()
            .redis_url(server.url())
            .key_prefix(name)
            .backend(mode)
            // A busy machine may take longer than a call would otherwise spend on Redis.
            .op_budget(Duration::from_secs(10));
        answers(builder.build().await.expect("a cache"), name).await;
    }
}

#[test]
fn the_functions_fit_together() {
    cache_core::catalogue().assert_sound();
}
