//! A response as bytes, for the shared tier: the payload of an entry.
//! It judges nothing but the form. Invariant: arbitrary bytes give a response or nothing, never a panic, and what is read
//! is no longer than the bytes.
//!
//! Numbers are little-endian: status `u16` · number of headers `u16` · for each: length of the name `u16`, the name, length
//! of the value `u32`, the value · the body.

use axum::body::Bytes;
use axum::http::StatusCode;
use axum::http::header::{HeaderMap, HeaderName, HeaderValue};

use super::response::CachedResponse;
use super::rules;

/// What stands for the shape of the type in entries: the version of this format.
pub(super) const VERSION: u64 = u64::from_be_bytes(*b"respons1");

pub(super) fn write(response: &CachedResponse) -> Vec<u8> {
    let length: usize = response
        .headers()
        .map(|(name, value)| 6 + name.as_str().len() + value.len())
        .sum();
    let mut out = Vec::with_capacity(4 + length + response.body().len());
    out.extend_from_slice(&response.status().as_u16().to_le_bytes());
    out.extend_from_slice(&(response.headers().count() as u16).to_le_bytes());
    for (name, value) in response.headers() {
        out.extend_from_slice(&(name.as_str().len() as u16).to_le_bytes());
        out.extend_from_slice(name.as_str().as_bytes());
        out.extend_from_slice(&(value.len() as u32).to_le_bytes());
        out.extend_from_slice(value.as_bytes());
    }
    out.extend_from_slice(response.body());
    out
}

/// Only what could have been stored: a response that must not be is not made of bytes either.
pub(super) fn read(bytes: &[u8]) -> Option<CachedResponse> {
    let mut rest = bytes;
    let status = StatusCode::from_u16(u16::from_le_bytes(array(&mut rest)?)).ok()?;
    let count = u16::from_le_bytes(array(&mut rest)?);
    let mut headers = HeaderMap::new();
    for _ in 0..count {
        let length = u16::from_le_bytes(array(&mut rest)?);
        let name = HeaderName::from_bytes(take(&mut rest, usize::from(length))?).ok()?;
        let length = usize::try_from(u32::from_le_bytes(array(&mut rest)?)).ok()?;
        let value = HeaderValue::from_bytes(take(&mut rest, length)?).ok()?;
        headers.try_append(name, value).ok()?;
    }
    if !rules::may_be_stored(status, &headers) {
        return None;
    }
    CachedResponse::new(status, headers, Bytes::copy_from_slice(rest), true)
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (head, tail) = rest.split_at_checked(length)?;
    *rest = tail;
    Some(head)
}

fn array<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    take(rest, N)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use axum::http::header::{CONTENT_TYPE, ETAG, SET_COOKIE};
    use proptest::prelude::*;

    use super::*;

    fn response(headers: &[(&str, &str)], body: &[u8]) -> CachedResponse {
        let headers = headers
            .iter()
            .map(|(name, value)| {
                let name: HeaderName = name.parse().expect("a name");
                (name, HeaderValue::from_str(value).expect("a value"))
            })
            .collect();
        CachedResponse::new(StatusCode::OK, headers, Bytes::copy_from_slice(body), true).expect("a response")
    }

    #[test]
    fn f1_the_bytes_of_a_response_stay_as_they_are() {
        let response = response(&[("content-type", "text/plain"), ("etag", "\"1\"")], b"ok");
        assert_eq!(
            write(&response),
            b"\xc8\0\x02\0\x0c\0content-type\x0a\0\0\0text/plain\x04\0etag\x03\0\0\0\"1\"ok"
        );
    }

    #[test]
    fn h2_the_etag_that_was_made_survives_the_way_through_the_shared_tier() {
        let before = response(&[("content-type", "text/plain")], b"ok");
        let after = read(&write(&before)).expect("a response");
        assert_eq!(after.header(&ETAG), before.header(&ETAG));
        assert_eq!(after, before);
        assert_eq!(after.header(&CONTENT_TYPE).expect("the type"), "text/plain");
    }

    #[test]
    fn h3_bytes_of_a_response_that_must_not_be_stored_are_none() {
        let mut bytes = write(&response(&[], b"ok"));
        bytes[0] = 0xf4;
        bytes[1] = 1;
        assert!(read(&bytes).is_none(), "a response of status 500");
        let mut headers = HeaderMap::new();
        headers.insert(SET_COOKIE, HeaderValue::from_static("a=b"));
        let cookie = CachedResponse::new(StatusCode::OK, headers, Bytes::new(), true).expect("a response");
        assert!(read(&write(&cookie)).is_none(), "a response with a cookie");
    }

    proptest! {
        #[test]
        fn f3_arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&bytes);
        }

        #[test]
        fn f3_bytes_cut_short_or_changed_never_panic(
            cut in 0_usize..200,
            at in 0_usize..100,
            byte in any::<u8>(),
        ) {
            let mut bytes = write(&response(&[("a", "b"), ("content-type", "text/plain")], b"body"));
            bytes.truncate(cut);
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
            let _ = read(&bytes);
        }

        #[test]
        fn f1_what_was_written_is_read(
            values in proptest::collection::vec("[ -~]{0,40}", 0..5),
            body in proptest::collection::vec(any::<u8>(), 0..500),
        ) {
            let named: Vec<(String, String)> =
                values.into_iter().enumerate().map(|(n, value)| (format!("x-{n}"), value)).collect();
            let named: Vec<(&str, &str)> = named.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            let response = response(&named, &body);
            prop_assert_eq!(read(&write(&response)), Some(response));
        }
    }
}
