//! A whole response as it is stored: status, headers, and the bytes of the body.
//! It knows nothing of requests and functions. Invariant: the table of headers begins with a place for each of those that
//! are told anew at every hit, so that they are filled in without looking them up, and has room for one more.

use std::sync::OnceLock;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use axum::http::header::{
    AGE, CACHE_CONTROL, CACHE_STATUS, CONNECTION, CONTENT_LENGTH, ETAG, HeaderMap, HeaderName, HeaderValue,
    TE, TRANSFER_ENCODING, UPGRADE,
};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use super::{rules, wire};
use crate::codec::{Codec, Dates, Value};
use crate::{clock, entry};

/// What stands in the headers until a hit fills it in.
const PLACE: HeaderValue = HeaderValue::from_static("");

/// The headers that are told anew, in the order of their places.
const TOLD: [HeaderName; 3] = [AGE, CACHE_STATUS, CACHE_CONTROL];

/// What they say at a hit.
pub(super) type Told = [Option<HeaderValue>; 3];

/// What belongs to one connection and not to a response, by RFC 9110, 7.6.1.
const HOP_BY_HOP: [HeaderName; 6] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// A response that `#[cache_response]` stores, or has refused to. What `cache_if` and `ttl_from` look at there.
#[derive(Clone, Debug)]
pub struct CachedResponse {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    /// Whether the handler left it to the cache what `Cache-Control` says.
    leaves_cache_control: bool,
    /// Whether `Content-Length` is a place. The server sets it behind the handler; a copy of the table has no room but that.
    leaves_length: bool,
    /// Whether the rules of HTTP and the function's `Result` let it be stored.
    may_be_stored: bool,
    /// Set when it is stored.
    dates: OnceLock<Dates>,
    /// Set when it was refused after that, since something was invalidated meanwhile.
    refused: OnceLock<()>,
    /// What `Cache-Control` says of it: to all, and to those alone who know more than the URL. It is the same for as long as the
    /// response is held, so it is written once.
    controls: [OnceLock<Option<HeaderValue>>; 2],
}

/// How old a stored response is, and how long it is fresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Freshness {
    /// The time since it was made, in whole seconds.
    pub(super) age: u64,
    /// The time from then on that it is fresh, in whole seconds.
    pub(super) life: u64,
    /// The time left, in whole seconds; negative when it is stale.
    pub(super) left: i64,
}

impl CachedResponse {
    /// A response whose body is at hand. Nothing when the table of its headers is full.
    pub(super) fn new(
        status: StatusCode,
        given: HeaderMap,
        body: Bytes,
        may_be_stored: bool,
    ) -> Option<Self> {
        let mut headers = HeaderMap::new();
        for name in TOLD {
            headers.try_insert(name, PLACE).ok()?;
        }
        let mut leaves_cache_control = true;
        let mut name = None;
        for (next, value) in given {
            // What comes without a name is one more value of the header before it.
            name = next.or(name);
            let Some(name) = name.as_ref().filter(|name| is_kept(name)) else {
                continue;
            };
            if *name == CACHE_CONTROL && leaves_cache_control {
                leaves_cache_control = value.is_empty();
                headers.try_insert(name, value).ok()?;
            } else {
                headers.try_append(name, value).ok()?;
            }
        }
        if may_be_stored && !headers.contains_key(ETAG) {
            let etag = etag(&headers, &body);
            headers.try_insert(ETAG, etag).ok()?;
        }
        // The last one is taken out at the least cost.
        let leaves_length = !headers.contains_key(CONTENT_LENGTH);
        if leaves_length {
            headers.try_insert(CONTENT_LENGTH, PLACE).ok()?;
        }
        Some(Self {
            status,
            headers,
            body,
            leaves_cache_control,
            leaves_length,
            may_be_stored,
            dates: OnceLock::new(),
            refused: OnceLock::new(),
            controls: Default::default(),
        })
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// A header as the handler set it, or the `ETag` that was made for it; the first one if there are several.
    pub fn header(&self, name: &HeaderName) -> Option<&HeaderValue> {
        self.headers.get(name).filter(|value| !value.is_empty())
    }

    /// The body.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    pub(super) fn may_be_stored(&self) -> bool {
        self.may_be_stored
    }

    /// How long the handler itself said that it is fresh.
    pub(super) fn own_freshness(&self) -> Option<Duration> {
        rules::own_freshness(&self.headers)
    }

    /// The headers that are stored.
    pub(super) fn headers(&self) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
        self.headers
            .iter()
            .filter(|(name, value)| !value.is_empty() || !is_place(name))
    }

    /// How old it is at this moment. Nothing when it was not stored.
    pub(super) fn age(&self) -> Option<Freshness> {
        let dates = self.dates.get().filter(|_| self.refused.get().is_none())?;
        let age = dates.age.saturating_add(clock::now().saturating_sub(dates.at));
        let left = i64::try_from(dates.life)
            .unwrap_or(i64::MAX)
            .saturating_sub_unsigned(age);
        Some(Freshness {
            age: age / 1000,
            life: dates.life / 1000,
            left: left.div_euclid(1000),
        })
    }

    /// Whether the handler left it to the cache what `Cache-Control` says.
    pub(super) fn leaves_cache_control(&self) -> bool {
        self.leaves_cache_control
    }

    /// What `Cache-Control` says, written by `write` when it is told first.
    pub(super) fn control(
        &self,
        is_private: bool,
        write: impl FnOnce() -> Option<HeaderValue>,
    ) -> Option<HeaderValue> {
        let control = self.controls.get(usize::from(is_private))?;
        control.get_or_init(write).clone()
    }

    /// The response, with the headers that are told anew. A place without a value is taken away.
    pub(super) fn answer(&self, mut told: Told) -> Response {
        let mut headers = self.headers.clone();
        if self.leaves_length {
            headers.remove(CONTENT_LENGTH);
        }
        let mut is_full = true;
        for (place, told) in headers.values_mut().zip(&mut told) {
            match told.take() {
                Some(told) => *place = told,
                None => is_full &= !place.is_empty(),
            }
        }
        if !is_full {
            remove_places(&mut headers);
        }
        let mut response = Response::new(Body::from(self.body.clone()));
        *response.status_mut() = self.status;
        // The table that is there is empty: there is nothing to free.
        std::mem::forget(std::mem::replace(response.headers_mut(), headers));
        response
    }
}

/// Takes the places away that were not filled.
#[cold]
fn remove_places(headers: &mut HeaderMap) {
    for name in TOLD {
        if headers.get(&name).is_some_and(HeaderValue::is_empty) {
            headers.remove(name);
        }
    }
}

/// The response alone, as a handler that is not cached would give it.
impl IntoResponse for CachedResponse {
    fn into_response(self) -> Response {
        self.answer(Told::default())
    }
}

/// Equal in what a client sees; how old they are does not matter.
impl PartialEq for CachedResponse {
    fn eq(&self, other: &Self) -> bool {
        self.status == other.status && self.headers == other.headers && self.body == other.body
    }
}

fn is_place(name: &HeaderName) -> bool {
    TOLD.contains(name) || *name == CONTENT_LENGTH
}

/// Whether a header of the handler belongs to the response: neither to the connection, nor to what is told anew.
fn is_kept(name: &HeaderName) -> bool {
    *name != AGE && *name != CACHE_STATUS && !HOP_BY_HOP.contains(name)
}

/// A strong validator: a digest of the body and of the headers that say how to read it. It depends on nothing of this
/// process.
fn etag(headers: &HeaderMap, body: &[u8]) -> HeaderValue {
    let mut digest = Sha256::new();
    for name in rules::REPRESENTATION {
        for value in headers.get_all(&name) {
            digest.update(name.as_str());
            digest.update((value.len() as u64).to_le_bytes());
            digest.update(value.as_bytes());
        }
        digest.update([0]);
    }
    digest.update(body);
    let digest = hex::encode(digest.finalize());
    let text = format!("\"{}\"", digest.get(..32).unwrap_or(&digest));
    HeaderValue::from_maybe_shared(Bytes::from(text)).unwrap_or(PLACE)
}

/// How responses are written into the shared tier and read back.
pub(super) fn codec() -> Codec {
    fn of(value: &(dyn std::any::Any + Send + Sync)) -> Option<&CachedResponse> {
        value.downcast_ref::<CachedResponse>()
    }
    Codec {
        encode: |value| match of(value) {
            Some(response) => Ok(wire::write(response)),
            None => Err("the value is no response".to_owned()),
        },
        decode: |bytes| match wire::read(bytes) {
            Some(response) => Ok(std::sync::Arc::new(response) as Value),
            None => Err("the bytes are no response".to_owned()),
        },
        count: |_| None,
        of: std::any::TypeId::of::<CachedResponse>,
        shape: || wire::VERSION,
        sole: true,
        format: entry::RESPONSE,
        date: |value, dates| {
            if let Some(response) = of(value) {
                // The first to store it dates it; others who hold it see the same.
                let _ = if dates.life == 0 {
                    response.refused.set(()).ok()
                } else {
                    response.dates.set(dates).ok()
                };
            }
        },
    }
}
