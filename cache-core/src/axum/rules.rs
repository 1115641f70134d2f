//! Which responses may be stored, by RFC 9111 and by what is safe without looking at requests.
//! It stores nothing. Invariant: what is in doubt is not stored.

use std::time::Duration;

use axum::http::StatusCode;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LOCATION, CONTENT_RANGE, CONTENT_TYPE,
    HeaderMap, HeaderName, LOCATION, SET_COOKIE, VARY,
};

/// The headers that say how the body is to be read, or what is there in its place.
pub(super) const REPRESENTATION: [HeaderName; 5] = [
    CONTENT_TYPE,
    CONTENT_ENCODING,
    CONTENT_LANGUAGE,
    CONTENT_LOCATION,
    LOCATION,
];

/// Whether a response may be stored, as far as its head tells.
pub(super) fn may_be_stored(status: StatusCode, headers: &HeaderMap) -> bool {
    // What RFC 9110, 15.1 calls heuristically cacheable, without errors and parts. The others are about this one request
    // (201, 302, 303, 307), or no whole response (1xx, 206, 304).
    matches!(status.as_u16(), 200 | 203 | 204 | 300 | 301 | 308)
        && !headers.contains_key(CONTENT_RANGE)
        && is_for_all(headers)
}

/// Whether a response that is not stored may still go to all who wait for this run of the handler: an error, which each
/// of them would get.
pub(super) fn may_be_shared(status: StatusCode, headers: &HeaderMap) -> bool {
    (status.is_client_error() || status.is_server_error()) && is_for_all(headers)
}

/// Whether nothing says that a response is for one client or one time.
fn is_for_all(headers: &HeaderMap) -> bool {
    !headers.contains_key(SET_COOKIE)
        && !says(headers, &CACHE_CONTROL, &["no-store", "private", "no-cache"])
        && !says(headers, &VARY, &["*"])
}

/// Whether a header that is a list has one of these members. Members with a value, as in `private="a"`, count.
pub(super) fn says(headers: &HeaderMap, name: &HeaderName, members: &[&str]) -> bool {
    headers.get_all(name).iter().any(|value| {
        let Ok(text) = value.to_str() else {
            // What cannot be read may say anything.
            return true;
        };
        text.split(',').any(|member| {
            let word = member.split('=').next().unwrap_or_default().trim();
            members.iter().any(|member| member.eq_ignore_ascii_case(word))
        })
    })
}

/// How long a response says of itself that it is fresh: `s-maxage`, which is for caches that many share, else `max-age`. The
/// least where it is said twice, and not at all where it cannot be read.
pub(super) fn own_freshness(headers: &HeaderMap) -> Option<Duration> {
    let of = |name: &str| {
        let said = headers.get_all(CACHE_CONTROL).iter();
        let said = said.flat_map(|value| value.to_str().unwrap_or_default().split(','));
        let said = said.filter_map(|member| {
            let (word, value) = member.split_once('=').unwrap_or((member, ""));
            word.trim().eq_ignore_ascii_case(name).then(|| seconds(value))
        });
        said.min()
    };
    of("s-maxage").or_else(|| of("max-age")).map(Duration::from_secs)
}

/// Seconds as a directive has them, by RFC 9111, 1.2.2: what is too large for a number is very long.
fn seconds(text: &str) -> u64 {
    let digits = text.trim().trim_matches('"');
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return 0;
    }
    digits
        .parse()
        .unwrap_or(u64::from(u32::MAX))
        .min(u64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn with(name: HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn h3_only_a_whole_response_that_is_no_error_may_be_stored() {
        let stored: Vec<u16> = (100..600)
            .filter(|status| {
                let status = StatusCode::from_u16(*status).expect("a status");
                may_be_stored(status, &HeaderMap::new())
            })
            .collect();
        assert_eq!(stored, [200, 203, 204, 300, 301, 308]);
    }

    #[test]
    fn h3_what_is_for_one_client_or_for_one_time_is_not_stored() {
        for headers in [
            with(SET_COOKIE, "a=b"),
            with(CACHE_CONTROL, "no-store"),
            with(CACHE_CONTROL, "max-age=3, Private"),
            with(CACHE_CONTROL, "private=\"x-user\""),
            with(CACHE_CONTROL, "no-cache"),
            with(VARY, "*"),
            with(VARY, "accept, *"),
            with(CONTENT_RANGE, "bytes 0-1/2"),
        ] {
            assert!(!may_be_stored(StatusCode::OK, &headers), "{headers:?}");
        }
        for headers in [
            with(CACHE_CONTROL, "public, max-age=60"),
            with(CACHE_CONTROL, "x-private-ish"),
            with(VARY, "accept-language"),
        ] {
            assert!(may_be_stored(StatusCode::OK, &headers), "{headers:?}");
        }
    }

    #[test]
    fn h3_what_a_response_says_of_its_freshness_is_read() {
        for (value, expected) in [
            ("max-age=60", Some(60)),
            ("public, Max-Age = 60", Some(60)),
            ("max-age=\"60\"", Some(60)),
            ("max-age=60, s-maxage=5", Some(5)),
            ("s-maxage=600, max-age=60", Some(600)),
            ("max-age=60, max-age=30", Some(30)),
            ("max-age=0", Some(0)),
            // In doubt it is not fresh.
            ("max-age", Some(0)),
            ("max-age=soon", Some(0)),
            ("max-age=-1", Some(0)),
            ("max-age=1.5", Some(0)),
            ("max-age=99999999999999999999", Some(u64::from(u32::MAX))),
            ("public", None),
            ("x-max-age=60", None),
            ("stale-while-revalidate=60", None),
        ] {
            let headers = with(CACHE_CONTROL, value);
            assert_eq!(
                own_freshness(&headers),
                expected.map(Duration::from_secs),
                "{value}"
            );
        }
        assert_eq!(own_freshness(&HeaderMap::new()), None);
        let mut headers = with(CACHE_CONTROL, "public");
        headers.append(CACHE_CONTROL, HeaderValue::from_static("max-age=7"));
        assert_eq!(own_freshness(&headers), Some(Duration::from_secs(7)));
    }

    #[test]
    fn h3_a_header_that_cannot_be_read_is_taken_for_a_refusal() {
        let value = HeaderValue::from_bytes(b"max-age=1, \xff").expect("a value");
        let headers = HeaderMap::from_iter([(CACHE_CONTROL, value)]);
        assert!(!may_be_stored(StatusCode::OK, &headers));
    }
}
