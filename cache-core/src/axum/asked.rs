//! What a request asks of the cache, from the layer that sees it to the handler that does not.
//! Invariant: without the layer nothing is asked.

use axum::http::HeaderMap;
use axum::http::header::CACHE_CONTROL;

use super::rules;
use crate::engine::call::Mode;

tokio::task_local! {
    /// What the request asks that this task answers.
    pub(super) static REQUEST: Request;
}

/// What the `Cache-Control` of a request says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// Nothing.
    Plain,
    /// `no-cache`: a stored response is not good enough.
    NoCache,
    /// `no-store`: nothing is to be stored.
    NoStore,
}

impl Request {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        if !headers.contains_key(CACHE_CONTROL) {
            Self::Plain
        } else if rules::says(headers, &CACHE_CONTROL, &["no-store"]) {
            Self::NoStore
        } else if rules::says(headers, &CACHE_CONTROL, &["no-cache"]) {
            Self::NoCache
        } else {
            Self::Plain
        }
    }
}

/// How a call uses the cache, and why it had to run its function, in the words of RFC 9211.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    mode: Mode,
    pub(super) why: &'static str,
}

impl Asked {
    /// How the cache is used.
    pub fn mode(self) -> Mode {
        self.mode
    }
}

/// What the attribute and the request ask together. Passing the cache by wins.
pub fn asked(mode: Mode) -> Asked {
    let request = REQUEST.try_with(|request| *request).unwrap_or(Request::Plain);
    let (mode, why) = match (mode, request) {
        (Mode::Bypass, _) | (_, Request::NoStore) => (Mode::Bypass, "bypass"),
        (Mode::Refresh, _) | (_, Request::NoCache) => (Mode::Refresh, "request"),
        (Mode::Use, Request::Plain) => (Mode::Use, "miss"),
    };
    Asked { mode, why }
}
