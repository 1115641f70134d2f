//! Responses as the engine sees results of functions, and as clients see them: what the expansions of
//! `#[cache_response]` call.
//! All about loads, tiers and staleness is in the engine. Invariant: a response of which no copy may be given to others
//! is never an [`Answer::Whole`].

use std::any::Any;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;

use axum::http::HeaderValue;
use axum::http::header::CACHE_STATUS;
pub use axum::response::Response;

pub use super::asked::{Asked, asked};
use super::response::{self, CachedResponse, Freshness};
use super::{record, told};
use crate::codec::Codec;
use crate::engine::call::{self, Mode, Render};
use crate::engine::load::Verdict;
use crate::engine::miss::Miss;
use crate::engine::shape::{Coded, Seen, Shape, Shaped, Share, View};
use crate::engine::site::Site;
use crate::{CacheManager, SharedError};

/// The longest body that is stored when nothing is said: 2 MiB.
pub const MAX_RESPONSE_BYTES: usize = 2 << 20;

/// What a cached handler has to answer with.
#[derive(Debug)]
pub enum Answer {
    /// What is stored, or what another call's run gave.
    Given(Arc<CachedResponse>),
    /// What this call's run gave. Others may have it too.
    Whole(Arc<CachedResponse>),
    /// The same, for this caller alone.
    Loose(Box<Response>),
}

impl Answer {
    pub(super) fn loose(response: Response) -> Self {
        Self::Loose(Box::new(response))
    }

    fn whole(&self) -> Option<&Arc<CachedResponse>> {
        match self {
            Self::Given(response) | Self::Whole(response) => Some(response),
            Self::Loose(_) => None,
        }
    }
}

/// The shape of responses. An error of the server is a failure, as `Err` is elsewhere.
#[derive(Debug)]
pub struct Responses;

impl View for Responses {
    type Ret = Answer;
    type Value = CachedResponse;
    type Held = Arc<CachedResponse>;
    fn see(ret: &Answer) -> Seen<'_, CachedResponse> {
        match ret {
            Answer::Given(response) | Answer::Whole(response) if response.status().is_server_error() => {
                Seen::Failed
            }
            Answer::Given(response) | Answer::Whole(response) => Seen::Value(response),
            Answer::Loose(response) if response.status().is_server_error() => Seen::Failed,
            Answer::Loose(_) => Seen::Absent,
        }
    }
}

impl Shape for Responses {
    type Stored = CachedResponse;
    fn share(ret: &Answer) -> Option<Arc<CachedResponse>> {
        ret.whole().map(Arc::clone)
    }
    #[inline]
    fn give(value: Arc<CachedResponse>) -> Answer {
        Answer::Given(value)
    }
    fn absent() -> Option<Answer> {
        None
    }
    fn value(value: &CachedResponse) -> &CachedResponse {
        value
    }
    fn seen(stored: &CachedResponse) -> &CachedResponse {
        stored
    }
    fn hold(stored: Arc<CachedResponse>) -> Arc<CachedResponse> {
        stored
    }
    fn keep(held: Arc<CachedResponse>) -> Arc<CachedResponse> {
        held
    }
}

/// The shape, as a value.
pub const SHAPE: Shaped<Responses> = Shaped::TOLD;

/// The response of a failure goes to all who wait.
#[derive(Debug)]
pub struct Resent;

impl Share<Answer> for Resent {
    fn export(ret: &Answer) -> Option<Arc<dyn Any + Send + Sync>> {
        ret.whole().map(|response| Arc::clone(response) as _)
    }
    fn import(error: &(dyn Any + Send + Sync)) -> Option<Answer> {
        // The `Arc` itself is not to be had from here; a copy shares the body.
        let response = error.downcast_ref::<CachedResponse>()?;
        Some(Answer::Given(Arc::new(response.clone())))
    }
}

/// Responses are written by a codec of their own.
#[derive(Debug)]
pub struct Wire;

impl Coded for Wire {
    fn codec() -> Option<Codec> {
        Some(response::codec())
    }
}

/// Looks a call up. See [`lookup`](crate::__private::lookup).
#[inline]
pub fn lookup(
    site: &'static Site,
    manager: Option<&CacheManager>,
    mode: Mode,
    render: &dyn Render,
) -> Result<Answer, Miss<Answer>> {
    call::lookup::<Responses, Wire, Resent>(site, manager, mode, render)
}

/// What a handler returned, to be asked whether it is an `Err`. What is no `Result` has only the method of what this derefs to.
#[derive(Debug)]
pub struct Returned<'a, R>(pub &'a R);

/// What is no `Result`.
#[derive(Debug)]
pub struct NoResult(());

impl<R> Deref for Returned<'_, R> {
    type Target = NoResult;

    fn deref(&self) -> &NoResult {
        &NoResult(())
    }
}

impl<T, E> Returned<'_, Result<T, E>> {
    /// Whether it is an `Err`.
    pub fn is_err(&self) -> bool {
        self.0.is_err()
    }
}

impl NoResult {
    /// It is no `Err`.
    pub fn is_err(&self) -> bool {
        false
    }
}

/// Reads the response of a run. What that takes is held behind a pointer: it would make the future of each hit larger.
pub fn record(response: Response, is_err: bool, limit: usize, asked: Asked) -> Recorded {
    Box::pin(async move {
        match asked.mode() {
            Mode::Bypass => Answer::loose(response),
            Mode::Use | Mode::Refresh => record::record(response, is_err, limit).await,
        }
    })
}

/// What `record` gives.
pub type Recorded = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// Whether a response is stored, and for how long at most, as far as HTTP and the handler's `Result` decide it.
pub fn verdict(response: &CachedResponse) -> Verdict {
    Verdict::store()
        .only_if(response.may_be_stored())
        .at_most(response.own_freshness())
}

/// The answer to a caller whose time is up.
pub fn timed_out(_: SharedError) -> Answer {
    record::timed_out()
}

/// The response to the client. `is_private` says that the key has something that is not in the URL, so that caches that
/// know no more than the URL must not store it.
pub fn respond(answer: Answer, asked: Asked, is_private: bool) -> Response {
    match answer {
        Answer::Given(response) => {
            let Some(age) = response.age() else {
                let status = HeaderValue::from_static("cache-core; fwd=miss; collapsed");
                return response.answer([None, Some(status), None]);
            };
            let control = control(&response, age, is_private);
            response.answer([told::age(age.age), told::hit(age.left), control])
        }
        Answer::Whole(response) => {
            let age = response.age();
            let control = age.and_then(|age| control(&response, age, is_private));
            let status = told::forwarded(asked.why, age.is_some());
            // One that was just made is not told to be of an age.
            response.answer([None, Some(status), control])
        }
        Answer::Loose(mut response) => {
            let status = told::forwarded(asked.why, false);
            // A table that is full stays as it is.
            let _ = response.headers_mut().try_insert(CACHE_STATUS, status);
            *response
        }
    }
}

/// What `Cache-Control` says, where the handler left it to the cache.
fn control(response: &CachedResponse, age: Freshness, is_private: bool) -> Option<HeaderValue> {
    if response.leaves_cache_control() {
        response.control(is_private, || told::control(age.life, is_private))
    } else {
        None
    }
}
