//! What is shown: answers that are served without a query, a write that makes them old, errors that are not kept.

use std::io::Write;

use cache_core::CacheManager;

use crate::http::send;
use crate::service::App;

pub async fn run(cache: &CacheManager, out: &mut impl Write) -> anyhow::Result<()> {
    cache.clear().await;
    let app = App::over(cache)?;
    let at = app.start().await?;
    let changed = r#"{"name":"Anna","email":"anna@example.com"}"#;
    for (method, path, body, why) in [
        ("GET", "/users/1", "", "asks the database"),
        ("GET", "/users/1", "", "does not"),
        ("GET", "/users/2", "", "another user"),
        ("GET", "/profiles/1", "", "another route"),
        ("GET", "/users/404", "", "an error is not kept"),
        ("GET", "/users/404", "", "so it is looked for again"),
        ("PUT", "/users/404", changed, "a write that fails changes nothing"),
        ("GET", "/users/1", "", "still known"),
        ("PUT", "/users/1", changed, "a write"),
        ("GET", "/users/1", "", "what it made old is asked for"),
        ("GET", "/profiles/1", "", "and this"),
        ("GET", "/health", "", "how the cache is"),
    ] {
        let answer = send(at, method, path, body).await?;
        writeln!(
            out,
            "{method} {path:12} queries: {}  {}  {:45} {why}",
            app.queries(),
            answer.status,
            answer.body
        )?;
    }
    cache.clear().await;
    Ok(())
}
