//! The layer: what a response needs of its request. It answers conditional requests, and tells handlers what the client
//! asks of the cache and which manager is theirs.
//! It stores nothing. Invariant: a response that it does not understand passes as it is.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::{Body, HttpBody};
use axum::http::header::CONTENT_LENGTH;
use axum::http::{HeaderValue, Method, Request};
use axum::response::{IntoResponse, Response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::asked::{self, REQUEST};
use super::conditional::Condition;
use crate::CacheManager;
use crate::engine::current;

/// Answers conditional requests with 304, answers `HEAD` without a body, honours `Cache-Control: no-cache` and `no-store`
/// of requests, and makes `manager` the current one for the handlers.
///
/// `If-None-Match` is compared with the `ETag` of the response, and `If-Modified-Since` with its `Last-Modified`, whoever
/// set them. A 304 has the headers of the response that are not about its body. A client that sends `no-cache` has
/// handlers with `#[cache_response]` run, and what they give stored; with `no-store` nothing is read or stored. Functions
/// that the handlers call are not concerned.
///
/// ```
/// use axum::extract::Path;
/// use axum::{Json, Router, routing::get};
/// use cache_core::{CacheManager, cache_response};
///
/// #[cache_response(key = "square:{n}", ttl = "30s")]
/// async fn square(Path(n): Path<u32>) -> Json<u64> {
///     Json(u64::from(n) * u64::from(n))
/// }
///
/// let manager = CacheManager::in_memory();
/// let app: Router = Router::new()
///     .route("/squares/{n}", get(square))
///     .layer(cache_core::axum::layer(manager));
/// ```
pub fn layer(manager: CacheManager) -> CacheLayer {
    CacheLayer { manager }
}

/// The layer that [`layer`] makes.
#[derive(Clone, Debug)]
pub struct CacheLayer {
    manager: CacheManager,
}

impl<S> Layer<S> for CacheLayer {
    type Service = CacheService<S>;

    fn layer(&self, inner: S) -> CacheService<S> {
        CacheService {
            manager: self.manager.clone(),
            inner,
        }
    }
}

/// A service inside of a [`CacheLayer`]. It answers with a [`CacheFuture`], which is not boxed.
#[derive(Clone, Debug)]
pub struct CacheService<S> {
    manager: CacheManager,
    inner: S,
}

impl<S, B> Service<Request<B>> for CacheService<S>
where
    S: Service<Request<B>>,
    S::Response: IntoResponse,
{
    type Response = Response;
    type Error = S::Error;
    type Future = CacheFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        CacheFuture {
            manager: self.manager.clone(),
            asked: asked::Request::of(request.headers()),
            condition: Condition::of(request.method(), request.headers()),
            is_head: *request.method() == Method::HEAD,
            inner: self.inner.call(request),
        }
    }
}

pin_project! {
    /// The answer of a [`CacheService`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct CacheFuture<F> {
        manager: CacheManager,
        asked: asked::Request,
        condition: Option<Condition>,
        is_head: bool,
        #[pin]
        inner: F,
    }
}

impl<F, R, E> Future for CacheFuture<F>
where
    F: Future<Output = Result<R, E>>,
    R: IntoResponse,
{
    type Output = Result<Response, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let core = &this.manager.core;
        let inner = || current::within(core, || this.inner.poll(context));
        let response = ready!(REQUEST.sync_scope(*this.asked, inner))?.into_response();
        let response = match this.condition {
            Some(condition) => condition.answer(response),
            None => response,
        };
        Poll::Ready(Ok(if *this.is_head {
            without_body(response)
        } else {
            response
        }))
    }
}

/// The head of a response, which tells how long the body would be.
fn without_body(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    if let Some(length) = body.size_hint().exact()
        && length > 0
        && !parts.headers.contains_key(CONTENT_LENGTH)
    {
        // A table that is full stays as it is.
        let _ = parts
            .headers
            .try_insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    Response::from_parts(parts, Body::empty())
}
