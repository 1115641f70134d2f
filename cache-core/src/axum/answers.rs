//! Responses as the engine sees results of functions, and as clients see them: what the expansions of
//! `#[cache_response]` call.
//! All about loads, tiers and staleness is in the engine. Invariant: a response of which no copy may be given to others
//! is never an [`Answer::Whole`].

use std::any::Any;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;

use arrayvec::ArrayString;
use axum::http::HeaderValue;
use axum::http::header::CACHE_STATUS;
pub use axum::response::Response;

pub use super::asked::{Asked, asked};
use super::record;
use super::response::{self, CachedResponse, Freshness};
use crate::codec::Codec;
use crate::engine::call::{self, Miss, Mode, Render};
use crate::engine::load::Verdict;
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
            let age = response.age();
            let mut text = Text::default();
            match age {
                Some(age) => {
                    text.push("cache-core; hit; ttl=");
                    text.push(itoa::Buffer::new().format(age.left));
                }
                None => text.push("cache-core; fwd=miss; collapsed"),
            }
            tell(&response, age, true, is_private, &text)
        }
        Answer::Whole(response) => {
            let age = response.age();
            let mut text = Text::default();
            text.push("cache-core; fwd=");
            text.push(asked.why);
            if age.is_some() {
                text.push("; stored");
            }
            // One that was just made is not told to be of an age.
            tell(&response, age, false, is_private, &text)
        }
        Answer::Loose(mut response) => {
            let status = HeaderValue::from_static(match asked.why {
                "bypass" => "cache-core; fwd=bypass",
                "request" => "cache-core; fwd=request",
                _ => "cache-core; fwd=miss",
            });
            // A table that is full stays as it is.
            let _ = response.headers_mut().try_insert(CACHE_STATUS, status);
            *response
        }
    }
}

/// A short text that needs no allocation. What is too long for it is left out.
#[derive(Default)]
struct Text(ArrayString<64>);

impl Text {
    fn push(&mut self, text: &str) {
        // There is room for all that is said here.
        let _ = self.0.try_push_str(text);
    }

    fn value(&self) -> Option<HeaderValue> {
        HeaderValue::from_str(&self.0).ok()
    }
}

/// A response with the headers that depend on the moment.
fn tell(
    response: &CachedResponse,
    age: Option<Freshness>,
    tells_age: bool,
    is_private: bool,
    status: &Text,
) -> Response {
    let control = age
        .filter(|_| response.leaves_cache_control())
        .and_then(|age| response.control(is_private, || control(age, is_private)));
    response.answer([
        age.filter(|_| tells_age).and_then(number),
        status.value(),
        control,
    ])
}

/// A number as a header. Most ages are below a thousand, and those are written already.
fn number(age: Freshness) -> Option<HeaderValue> {
    static WRITTEN: [[u8; 3]; 1000] = written();
    let small = usize::try_from(age.age).ok().and_then(|age| WRITTEN.get(age));
    let Some(digits) = small else {
        // The conversion from numbers allocates more than once.
        return HeaderValue::from_str(itoa::Buffer::new().format(age.age)).ok();
    };
    let zeros = match age.age {
        0..10 => 2,
        10..100 => 1,
        _ => 0,
    };
    std::str::from_utf8(digits.get(zeros..)?)
        .ok()
        .map(HeaderValue::from_static)
}

/// The numbers below a thousand, in three digits.
const fn written() -> [[u8; 3]; 1000] {
    let mut written = [[b'0'; 3]; 1000];
    let mut number = 0;
    while number < written.len() {
        let mut rest = number;
        let mut digit = 3;
        while digit > 0 {
            digit -= 1;
            written[number][digit] += (rest % 10) as u8;
            rest /= 10;
        }
        number += 1;
    }
    written
}

/// How long the response is fresh from the time on when it was made: clients subtract `Age` from it, so that what is left is
/// the time that the entry has left.
fn control(age: Freshness, is_private: bool) -> Option<HeaderValue> {
    let mut text = Text::default();
    text.push(if is_private {
        "private, max-age="
    } else {
        "max-age="
    });
    text.push(itoa::Buffer::new().format(age.life));
    text.value()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h2_an_age_is_told_in_decimal_digits() {
        for age in (0..1100).chain([86_400, u64::MAX]) {
            let freshness = Freshness {
                age,
                life: 0,
                left: 0,
            };
            let told = number(freshness).expect("a header");
            assert_eq!(told, age.to_string().as_str());
        }
    }
}
