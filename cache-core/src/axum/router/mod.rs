//! A router for people who operate the cache. It changes nothing unless a token is configured.
//! Invariant: but for the searches that are counted, nothing that it shows was made of a key or a value, and none of it is
//! cached on the way.

mod invalidate;
mod json;
mod metrics;
mod page;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, HeaderMap, VARY};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use crate::{CacheManager, catalogue};
use invalidate::Token;

/// How many popular searches are shown.
const POPULAR: usize = 20;

/// Routes that tell how the cache is, to be nested where only operators get: they tell paths and templates of functions.
///
/// | route | |
/// |---|---|
/// | `/` | a page for people: hit ratio and load time as they are, functions, who invalidates whom, popular searches, health |
/// | `/health` | [`CacheManager::health`] as JSON; 200 while degraded too, since functions run without their cache |
/// | `/stats` | [`CacheManager::stats`] as JSON, with durations in seconds |
/// | `/metrics` | the same for Prometheus, in its text format 0.0.4; a function is a label, a key never is |
/// | `/catalogue` | [`catalogue`](crate::catalogue()) in Markdown, or as JSON where the `Accept` header names that |
/// | `/popular` | the texts that are searched for most, as JSON |
///
/// Nothing can be changed here; see [`Console::token`] for that.
///
/// ```
/// use axum::Router;
/// use cache_core::CacheManager;
///
/// let manager = CacheManager::in_memory();
/// let app: Router = Router::new().nest("/cache", cache_core::axum::router(manager));
/// ```
pub fn router<S>(manager: CacheManager) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    Console::new(manager).router()
}

/// The routes of [`router`], with more to be said about them.
#[derive(Debug)]
pub struct Console {
    manager: CacheManager,
    token: Option<Token>,
}

type Here = State<Arc<Console>>;

impl Console {
    /// Routes about a manager.
    pub fn new(manager: CacheManager) -> Self {
        Self { manager, token: None }
    }

    /// Lets those who have this token invalidate by hand, on the page or with
    /// `POST /invalidate` `{"kind": "function" | "key" | "pattern" | "tag", "name": ".."}` and
    /// `Authorization: Bearer {token}`. An empty token leaves that off.
    pub fn token(mut self, token: impl AsRef<str>) -> Self {
        let token = token.as_ref();
        self.token = (!token.is_empty()).then(|| Token::of(token.as_bytes()));
        self
    }

    /// The routes.
    pub fn router<S>(self) -> Router<S>
    where
        S: Clone + Send + Sync + 'static,
    {
        Router::new()
            .route("/", get(people))
            .route("/health", get(health))
            .route("/stats", get(stats))
            .route("/metrics", get(metrics))
            .route("/catalogue", get(show_catalogue))
            .route("/popular", get(popular))
            .route("/invalidate", post(invalidate::invalidate))
            .with_state(Arc::new(self))
    }
}

async fn people(State(console): Here) -> Response {
    page::response(console.token.is_some())
}

async fn health(State(console): Here) -> Response {
    let health = console.manager.health().await;
    fresh("application/json", json::health(&health).to_string())
}

async fn stats(State(console): Here) -> Response {
    let stats = console.manager.stats();
    fresh("application/json", json::stats(&stats).to_string())
}

async fn metrics(State(console): Here) -> Response {
    let manager = &console.manager;
    let text = metrics::text(manager.stats(), &manager.health().await);
    fresh("text/plain; version=0.0.4; charset=utf-8", text)
}

async fn popular(State(console): Here) -> Response {
    let top = console.manager.popular_searches().top(POPULAR).await;
    fresh("application/json", json::popular(&top).to_string())
}

async fn show_catalogue(headers: HeaderMap) -> Response {
    let catalogue = catalogue();
    let answer = if prefers_json(&headers) {
        fresh("application/json", json::catalogue(catalogue).to_string())
    } else {
        let text = format!("{catalogue}\n```mermaid\n{}```\n", catalogue.graph());
        fresh("text/markdown; charset=utf-8", text)
    };
    ([(VARY, "accept")], answer).into_response()
}

fn fresh(content_type: &'static str, text: String) -> Response {
    ([(CONTENT_TYPE, content_type), (CACHE_CONTROL, "no-store")], text).into_response()
}

/// Whether JSON is named, and Markdown is not named as better.
fn prefers_json(headers: &HeaderMap) -> bool {
    let quality = |wanted: &str| {
        headers
            .get_all(ACCEPT)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|list| list.split(','))
            .filter_map(|range| {
                let mut parts = range.split(';').map(str::trim);
                let named = parts.next()?.eq_ignore_ascii_case(wanted);
                let quality = parts.find_map(|part| part.strip_prefix("q=")?.trim().parse::<f32>().ok());
                named.then(|| quality.unwrap_or(1.0))
            })
            .fold(0.0, f32::max)
    };
    let json = quality("application/json");
    json > 0.0 && json >= quality("text/markdown")
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn json_is_for_those_who_name_it() {
        let prefers = |accept: &'static str| {
            prefers_json(&HeaderMap::from_iter([(
                ACCEPT,
                HeaderValue::from_static(accept),
            )]))
        };
        for accept in [
            "application/json",
            "text/html, application/json;q=0.5",
            "application/json, text/plain, */*",
            "text/markdown;q=0.8, Application/JSON",
        ] {
            assert!(prefers(accept), "{accept}");
        }
        for accept in [
            "*/*",
            "text/markdown",
            "application/json;q=0",
            "application/json;q=0.5, text/markdown",
            "text/html",
        ] {
            assert!(!prefers(accept), "{accept}");
        }
        assert!(!prefers_json(&HeaderMap::new()));
    }
}
