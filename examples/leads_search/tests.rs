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
    assert!(line("a search", 0).contains("queries: 1"), "{said}");
    assert!(line("the same again", 0).contains("queries: 1"), "{said}");
    assert!(
        line("narrowed", 0).contains(r#"["Ada Lovelace", "Alan Turing"]"#),
        "{said}"
    );
    assert!(
        line("a lead", 0).ends_with(r#"queries: 3  Some("London")"#),
        "{said}"
    );
    assert!(line("leads in London", 0).ends_with("queries: 4  2"), "{said}");
    assert!(
        line("the lead, moved", 0).ends_with(r#"queries: 6  Some("Bath")"#),
        "{said}"
    );
    assert!(
        line("narrowed, after that", 0).ends_with(r#"["Alan Turing"]"#),
        "{said}"
    );
    assert!(
        line("leads in London, after that", 0).ends_with("queries: 8  1"),
        "{said}"
    );
    assert!(
        line("a lead", 1).ends_with(r#"queries: 8  Some("Ada Lovelace")"#),
        "{said}"
    );
    assert!(line("a count", 0).ends_with("Some(1)"), "{said}");
    assert!(line("a search of one's own", 0).ends_with("Some([4])"), "{said}");
    assert!(line("when all searches are gone", 0).ends_with("None"), "{said}");
    assert!(line("preferences", 0).ends_with(r#"Some("dark")"#), "{said}");
    assert!(
        line("the same suggestions again", 0).contains("queries: 9"),
        "{said}"
    );
    assert!(line("the most popular", 0).ends_with(r#"[("a", 4)]"#), "{said}");
    assert!(said.contains("The cache is healthy."), "{said}");
    assert!(line("when everything is gone", 0).ends_with("false"), "{said}");
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
