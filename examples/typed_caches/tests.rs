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
    assert!(
        line("the same again", 0).contains("queries: 1  Some(7)"),
        "{said}"
    );
    assert!(
        line("the UUID of number 7", 0).contains("0000-000000c0ffee"),
        "{said}"
    );
    assert!(line("250 at once", 0).contains("it takes 100 at most"), "{said}");
    assert!(line("250 in pieces", 0).contains("queries: 2  250"), "{said}");
    assert!(line("the same again", 1).contains("queries: 2  250"), "{said}");
    assert!(line("the same again", 2).contains("queries: 3"), "{said}");
    assert!(line("after the update", 0).contains("queries: 5"), "{said}");
    assert!(line("after the update", 0).contains("Grace Hopper"), "{said}");
    assert!(line("the user of a session", 0).contains("c0ffee"), "{said}");
    assert!(line("is the corrupt one there", 0).ends_with("true"), "{said}");
    assert!(line("the user of the corrupt one", 0).ends_with("None"), "{said}");
    assert!(line("is it still there", 0).ends_with("false"), "{said}");
    assert!(said.contains("The cache is healthy."), "{said}");
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
