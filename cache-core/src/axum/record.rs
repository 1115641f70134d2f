//! From what a handler returned to an answer: its body is read, up to a limit, if the response may be stored or shared.
//! It stores nothing. Invariant: a body that is not stored passes through frame by frame, with what was read of it in
//! front, and never more than the limit and one frame of it is held.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use http_body::{Frame, SizeHint};

use super::answers::Answer;
use super::response::CachedResponse;
use super::rules;

/// Reads a response. One of a `Result`'s `Err` is not stored, whatever its status.
pub(super) async fn record(response: Response, is_err: bool, limit: usize) -> Answer {
    let (parts, body) = response.into_parts();
    let may_be_stored = !is_err && rules::may_be_stored(parts.status, &parts.headers);
    let may_be_shared = may_be_stored || rules::may_be_shared(parts.status, &parts.headers);
    let is_short = usize::try_from(body.size_hint().lower()).is_ok_and(|least| least <= limit);
    if !may_be_shared || !is_short || is_endless(&parts.headers) {
        return Answer::loose(Response::from_parts(parts, body));
    }
    match read(body, limit).await {
        Ok(bytes) => {
            let headers = parts.headers.clone();
            match CachedResponse::new(parts.status, headers, bytes.clone(), may_be_stored) {
                Some(response) => Answer::Whole(Arc::new(response)),
                None => Answer::loose(Response::from_parts(parts, Body::from(bytes))),
            }
        }
        Err(passing) => Answer::loose(Response::from_parts(parts, Body::new(passing))),
    }
}

/// What a caller gets whose time is up.
pub(super) fn timed_out() -> Answer {
    let body = Bytes::from_static(b"the handler took too long");
    CachedResponse::new(StatusCode::GATEWAY_TIMEOUT, HeaderMap::new(), body, false).map_or_else(
        || Answer::loose(Response::default()),
        |response| Answer::Whole(Arc::new(response)),
    )
}

/// Server-sent events end when a client leaves.
fn is_endless(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"text/event-stream"))
}

/// The whole body, or the body again when it is longer than the limit, has trailers, or fails.
async fn read(mut body: Body, limit: usize) -> Result<Bytes, Passing> {
    let mut frames: VecDeque<Result<Frame<Bytes>, axum::Error>> = VecDeque::new();
    let mut length = 0_usize;
    loop {
        let Some(next) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await else {
            break;
        };
        let data = next.as_ref().ok().and_then(Frame::data_ref).map(Bytes::len);
        frames.push_back(next);
        length = length.saturating_add(data.unwrap_or_default());
        if data.is_none() || length > limit {
            return Err(Passing { frames, rest: body });
        }
    }
    // A copy, since a frame may be a small part of a large buffer.
    let mut whole = Vec::with_capacity(length);
    for frame in frames.iter().flatten() {
        whole.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
    }
    Ok(Bytes::from(whole))
}

/// A body of which the first frames were read.
struct Passing {
    frames: VecDeque<Result<Frame<Bytes>, axum::Error>>,
    rest: Body,
}

impl HttpBody for Passing {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        match self.frames.pop_front() {
            Some(frame) => Poll::Ready(Some(frame)),
            None => Pin::new(&mut self.rest).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.frames.is_empty() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let first: u64 = self
            .frames
            .iter()
            .flatten()
            .filter_map(Frame::data_ref)
            .map(|data| data.len() as u64)
            .sum();
        let rest = self.rest.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(first));
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper.saturating_add(first));
        }
        hint
    }
}
