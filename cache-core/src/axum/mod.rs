//! Handlers: whole responses as values, what their requests ask, and a router for people who operate the cache.
//!
//! [`cache_response`](macro@crate::cache_response) caches what a handler answers. [`layer`] adds what depends on the
//! request: 304, `HEAD`, `Cache-Control: no-cache`. [`router`] tells how the cache is.
//!
//! # Which responses are stored
//!
//! Those with status 200, 203, 204, 300, 301 or 308, but for
//!
//! - an `Err` of a handler that returns a `Result`, whatever its status;
//! - a response with `Set-Cookie`, `Content-Range`, `Vary: *`, or `Cache-Control: no-store`, `private` or `no-cache`;
//! - a body of more than `max_response_bytes` (2 MiB unless said otherwise), with trailers, or that fails; and
//!   `text/event-stream`. Such a body passes through as it is. Of one whose length is not known beforehand, at most the
//!   limit is held back before it passes.
//!
//! A response that says of itself how long it is fresh, by `Cache-Control: s-maxage` or else `max-age`, is stored for no longer
//! than that, whatever `ttl` and `ttl_from` say; one with `max-age=0` is not stored. What `stale_if_error` and
//! `stale_while_revalidate` allow begins there.
//!
//! A `Vary` that names headers does not make several entries of one: the key alone tells entries apart. A handler sees
//! headers through extractors only, and each of them is in the key or is skipped, so that what a response varies on is
//! in the key unless somebody said that it does not matter.
//!
//! An error (status 400 and above) is not stored, but goes to all callers that wait for that run of the handler. 500 and
//! above are failures: with `stale_if_error` an older response is served in their place.
//!
//! # What a response tells
//!
//! | header | |
//! |---|---|
//! | `ETag` | a digest of the body and of the headers that describe it, the same in every process; one that the handler set stays |
//! | `Age` | seconds since the handler ran; only where the response is a stored one |
//! | `Cache-Control` | `max-age`, the whole time that the response is fresh, from which clients subtract `Age`; with `private` where the key has something that is not in the URL; one that the handler set stays |
//! | `Cache-Status` | RFC 9211: `cache-core; hit; ttl=12`, negative when stale; `cache-core; fwd=miss; stored`; `fwd=request` after `no-cache` or `refresh`; `fwd=bypass`; `collapsed` for the error of another call's run |
//!
//! `Content-Length` is that of the handler, if it sets one. Else axum tells it behind all middleware, as it does for handlers
//! without a cache, so that a middleware that replaces a body need not know of it; the `ETag` stays that of the handler's body.
//!
//! Headers of the connection (`Connection`, `Transfer-Encoding`, ..), a handler's own `Age` and `Cache-Status`, and the
//! extensions of a response are not stored.

#[doc(hidden)]
pub mod answers;
mod asked;
mod conditional;
mod layer;
mod record;
mod response;
mod router;
mod rules;
mod told;
mod wire;

pub use layer::{CacheFuture, CacheLayer, CacheService, layer};
pub use response::CachedResponse;
pub use router::{Console, router};
