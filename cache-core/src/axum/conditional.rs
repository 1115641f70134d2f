//! Conditional requests, by RFC 9110, 13: whether the client has the response already.
//! Only for `GET` and `HEAD`; preconditions of writes are the handler's. Invariant: a 304 is given only to a client that
//! named what the response says of itself.

use axum::body::Body;
use axum::http::header::{
    CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap,
    HeaderName, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED, TRANSFER_ENCODING,
};
use axum::http::{Method, StatusCode};
use axum::response::Response;

/// Headers about a body, which a 304 does not have.
const ABOUT_THE_BODY: [HeaderName; 6] = [
    CONTENT_ENCODING,
    CONTENT_LANGUAGE,
    CONTENT_LENGTH,
    CONTENT_RANGE,
    CONTENT_TYPE,
    TRANSFER_ENCODING,
];

/// What a client has.
#[derive(Debug)]
pub(super) enum Condition {
    /// Responses with these tags.
    Tags(Vec<HeaderValue>),
    /// A response of this date.
    Date(HeaderValue),
}

impl Condition {
    pub(super) fn of(method: &Method, headers: &HeaderMap) -> Option<Self> {
        if *method != Method::GET && *method != Method::HEAD {
            return None;
        }
        if headers.contains_key(IF_NONE_MATCH) {
            // A date beside it is for servers that do not know tags.
            return Some(Self::Tags(
                headers.get_all(IF_NONE_MATCH).iter().cloned().collect(),
            ));
        }
        headers.get(IF_MODIFIED_SINCE).cloned().map(Self::Date)
    }

    /// The response, or that it has not changed.
    pub(super) fn answer(&self, response: Response) -> Response {
        if response.status() == StatusCode::OK && self.is_met_by(response.headers()) {
            not_modified(response)
        } else {
            response
        }
    }

    fn is_met_by(&self, headers: &HeaderMap) -> bool {
        match self {
            Self::Tags(lists) => lists.iter().any(|list| names(list.as_bytes(), headers.get(ETAG))),
            // The very date that the response had. Which of two dates is later need not be known for that.
            Self::Date(date) => headers.get(LAST_MODIFIED) == Some(date),
        }
    }
}

/// Whether a list of tags has this one, or is `*`. Tags are compared without their `W/`.
fn names(list: &[u8], tag: Option<&HeaderValue>) -> bool {
    if list.trim_ascii() == b"*" {
        return true;
    }
    let Some(tag) = tag.and_then(|tag| opaque(tag.as_bytes())) else {
        return false;
    };
    let mut rest = list;
    // A tag may have commas in it, so that its quotes are what ends it.
    while let Some(start) = rest.iter().position(|byte| *byte == b'"') {
        let Some((_, quoted)) = rest.split_at_checked(start + 1) else {
            break;
        };
        let Some(length) = quoted.iter().position(|byte| *byte == b'"') else {
            break;
        };
        let Some((one, behind)) = quoted.split_at_checked(length) else {
            break;
        };
        if one == tag {
            return true;
        }
        rest = behind.get(1..).unwrap_or_default();
    }
    false
}

/// What is between the quotes of a tag.
fn opaque(tag: &[u8]) -> Option<&[u8]> {
    let tag = tag.strip_prefix(b"W/").unwrap_or(tag);
    tag.strip_prefix(b"\"")?.strip_suffix(b"\"")
}

fn not_modified(response: Response) -> Response {
    let (mut parts, _) = response.into_parts();
    for name in ABOUT_THE_BODY {
        parts.headers.remove(name);
    }
    parts.status = StatusCode::NOT_MODIFIED;
    Response::from_parts(parts, Body::empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(list: &str, tag: &'static str) -> bool {
        names(list.as_bytes(), Some(&HeaderValue::from_static(tag)))
    }

    #[test]
    fn h2_a_list_of_tags_names_those_in_it() {
        for list in [
            "\"a\"",
            "W/\"a\"",
            "\"b\", \"a\"",
            " \"b\",W/\"a\" ",
            "*",
            "\"x,y\",\"a\"",
        ] {
            assert!(has(list, "\"a\""), "{list}");
            assert!(has(list, "W/\"a\""), "{list}");
        }
        for list in ["", "a", "\"A\"", "\"b\"", "\"a", "\"b,a\"", "\"*\""] {
            assert!(!has(list, "\"a\""), "{list}");
        }
        assert!(!names(b"\"a\"", None), "a response without a tag");
        assert!(names(b"*", None), "whatever there is");
    }
}
