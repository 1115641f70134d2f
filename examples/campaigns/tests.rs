//! The program runs to its end and shows what it says, in memory and over Redis.

use std::time::Duration;

use cache_core::{BackendMode, CacheManager};

use crate::program;
use crate::redis_server::RedisServer;

async fn shows(cache: CacheManager) {
    let mut out = Vec::new();
    program::run(&cache, &mut out).await.expect("it runs");
    let said = String::from_utf8(out).expect("text");
    let line = |what: &str| {
        let mut lines = said.lines().filter(|line| line.trim_start().starts_with(what));
        lines
            .next()
            .unwrap_or_else(|| panic!("`{what}` is not in\n{said}"))
            .to_owned()
    };
    assert!(line("the same again").contains("requests: 1"), "{said}");
    let stale = line("status: the stale value");
    assert!(
        stale.contains("requests: 4") && stale.contains("budget: 100"),
        "{said}"
    );
    assert!(
        line("again: it is left in peace").contains("requests: 4"),
        "{said}"
    );
    assert!(
        line("a campaign never asked for").contains("Err(\"the platform answers 503\")"),
        "{said}"
    );
    assert!(line("answers past their TTL: 2").ends_with('2'), "{said}");
    assert!(said.contains("budget: 250"), "{said}");
    assert!(line("its ad sets are still known").ends_with("true"), "{said}");
    assert!(line("and again").contains("requests: 8"), "{said}");
}

#[tokio::test]
async fn it_shows_what_it_says_in_memory() {
    let builder = CacheManager::builder().backend(BackendMode::Memory);
    shows(program::settings(builder).build().await.expect("a cache")).await;
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
        shows(program::settings(builder).build().await.expect("a cache")).await;
    }
}
