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
    assert!(line("set, get:", 0).ends_with(r#"Some("hello")"#), "{said}");
    assert!(line("delete:", 0).ends_with("true"), "{said}");
    assert!(line("get:", 0).ends_with("None"), "{said}");
    assert!(line("batch of 250:", 0).ends_with("250 found"), "{said}");
    assert!(line("the first:", 0).ends_with(r#"Some("tile 1")"#), "{said}");
    assert!(line("batch delete:", 0).ends_with("250"), "{said}");
    assert!(line("warmed:", 0).ends_with("250 found"), "{said}");
    assert!(line("Lru", 0).ends_with("a leaves"), "{said}");
    assert!(
        line("Lfu", 0).ends_with("b leaves") || line("Lfu", 0).ends_with("c leaves"),
        "{said}"
    );
    assert!(line("Fifo", 0).ends_with("a leaves"), "{said}");
    assert!(line("Random", 0).ends_with(" leaves"), "{said}");
    let in_redis = said
        .lines()
        .find_map(|line| line.strip_prefix("A text of 10500 bytes is "));
    assert_eq!(in_redis.is_some(), cache.health().await.redis.is_some(), "{said}");
    if let Some(bytes) = in_redis.and_then(|rest| rest.split(' ').next()) {
        let bytes: usize = bytes.parse().expect("a number");
        assert!((1..1000).contains(&bytes), "{said}");
    }
    assert!(
        line("hits: 501  misses: 1  ratio: 1.00", 0).contains("entries in memory"),
        "{said}"
    );
    assert!(
        line("bytes in memory are counted:", 0).ends_with("true"),
        "{said}"
    );
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
