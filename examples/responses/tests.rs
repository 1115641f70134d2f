//! The program runs to its end and shows what it says, in memory and over Redis.

use std::time::Duration;

use cache_core::{BackendMode, CacheManager};

use crate::program;
use crate::redis_server::RedisServer;

async fn shows(cache: CacheManager) {
    let mut out = Vec::new();
    program::run(&cache, &mut out).await.expect("it runs");
    let said = String::from_utf8(out).expect("text");
    // The line that begins like this, of several the one with this index.
    let line = |what: &str, index: usize| {
        let mut lines = said.lines().filter(|line| line.trim_start().starts_with(what));
        lines
            .nth(index)
            .unwrap_or_else(|| panic!("`{what}` is not in\n{said}"))
    };
    assert!(line("GET /users/1 ", 0).contains("queries: 1  200"), "{said}");
    assert!(line("GET /users/1 ", 1).contains("queries: 1  200"), "{said}");
    assert!(line("GET /users/2 ", 0).contains("queries: 2  200"), "{said}");
    assert!(
        line("GET /profiles/1 ", 0).contains(r#"queries: 3  200  "This is Ann""#),
        "{said}"
    );
    assert!(line("GET /users/404 ", 1).contains("queries: 5  404"), "{said}");
    assert!(line("PUT /users/404 ", 0).contains("queries: 6  404"), "{said}");
    assert!(line("GET /users/1 ", 2).contains("queries: 6  200"), "{said}");
    assert!(
        line("GET /users/1 ", 3).contains(r#"queries: 8  200  {"name":"Anna""#),
        "{said}"
    );
    assert!(
        line("GET /profiles/1 ", 1).contains(r#"queries: 9  200  "This is Anna""#),
        "{said}"
    );
    assert!(line("GET /health", 0).contains("200  healthy"), "{said}");
}

#[tokio::test]
async fn it_shows_what_it_says_in_memory() {
    let builder = CacheManager::builder().backend(BackendMode::Memory);
    shows(builder.build().await.expect("a cache")).await;
}

#[tokio::test]
async fn it_shows_what_it_says_over_redis() {
    let server = RedisServer::start();
    for mode in [BackendMode::Redis, BackendMode::Tiered] {
        let builder = CacheManager::builder()
            .redis_url(server.url())
            .backend(mode)
            // A busy machine may take longer than a call would otherwise spend on Redis.
            .op_budget(Duration::from_secs(10));
        shows(builder.build().await.expect("a cache")).await;
    }
}

#[test]
fn its_functions_fit_together() {
    cache_core::catalogue().assert_sound();
}
