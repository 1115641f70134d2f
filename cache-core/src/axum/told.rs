//! The values of headers that are told anew at every hit: what is said often is written once.
//! It knows nothing of responses. Invariant: what is kept is bounded, and no copy of it counts its references, so that threads
//! that tell the same do not write to the same place.

use std::sync::OnceLock;

use arrayvec::ArrayString;
use axum::body::Bytes;
use axum::http::HeaderValue;

/// How many numbers are kept: somewhat more than the seconds of an hour.
const KEPT: usize = BLOCKS * BLOCK;
const BLOCKS: usize = 57;
const BLOCK: usize = 64;

/// Numbers that follow each other, of which there is nothing before one of them is told.
type Block = [OnceLock<Option<HeaderValue>>; BLOCK];

/// Texts that end with a number of seconds.
struct Texts {
    start: &'static str,
    kept: [OnceLock<Box<Block>>; BLOCKS],
}

static AGE: Texts = Texts::new("");
static HIT: Texts = Texts::new("cache-core; hit; ttl=");
static MAX_AGE: Texts = Texts::new("max-age=");
static PRIVATE: Texts = Texts::new("private, max-age=");

impl Texts {
    const fn new(start: &'static str) -> Self {
        Self {
            start,
            kept: [const { OnceLock::new() }; BLOCKS],
        }
    }

    #[inline]
    fn with(&'static self, number: impl itoa::Integer + TryInto<usize>) -> Option<HeaderValue> {
        let at = number.try_into().unwrap_or(KEPT);
        let block = self.kept.get(at / BLOCK);
        let kept = block.and_then(|block| block.get_or_init(empty).get(at % BLOCK));
        match kept {
            Some(kept) => kept.get_or_init(|| self.keep(number)).clone(),
            None => HeaderValue::from_str(&self.text(number)).ok(),
        }
    }

    #[cold]
    fn keep(&self, number: impl itoa::Integer) -> Option<HeaderValue> {
        // What is static has no references to count.
        let text: &'static str = Box::leak(Box::from(self.text(number).as_str()));
        HeaderValue::from_maybe_shared(Bytes::from_static(text.as_bytes())).ok()
    }

    fn text(&self, number: impl itoa::Integer) -> ArrayString<48> {
        let mut text = ArrayString::new();
        // There is room for each start and the longest number.
        let _ = text.try_push_str(self.start);
        let _ = text.try_push_str(itoa::Buffer::new().format(number));
        text
    }
}

fn empty() -> Box<Block> {
    Box::new([const { OnceLock::new() }; BLOCK])
}

/// `Age`: the seconds since the response was made.
pub(super) fn age(seconds: u64) -> Option<HeaderValue> {
    AGE.with(seconds)
}

/// `Cache-Status` of a hit that is fresh for so many seconds more, or has been stale for that long.
pub(super) fn hit(left: i64) -> Option<HeaderValue> {
    HIT.with(left)
}

/// `Cache-Control`: how long the response is fresh from the time on when it was made. Clients subtract `Age` from it, so that
/// what is left is the time that the entry has left.
pub(super) fn control(life: u64, is_private: bool) -> Option<HeaderValue> {
    if is_private { &PRIVATE } else { &MAX_AGE }.with(life)
}

/// `Cache-Status` where the handler ran, in the words of RFC 9211.
pub(super) fn forwarded(why: &str, is_stored: bool) -> HeaderValue {
    HeaderValue::from_static(match (why, is_stored) {
        ("bypass", _) => "cache-core; fwd=bypass",
        ("request", false) => "cache-core; fwd=request",
        ("request", true) => "cache-core; fwd=request; stored",
        (_, false) => "cache-core; fwd=miss",
        (_, true) => "cache-core; fwd=miss; stored",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h2_numbers_are_told_in_decimal_digits_whether_they_are_kept_or_not() {
        for seconds in (0..2 * KEPT as u64).chain([86_400, u64::MAX]) {
            for _ in 0..2 {
                assert_eq!(age(seconds).expect("a value"), seconds.to_string().as_str());
                let public = control(seconds, false).expect("a value");
                assert_eq!(public, format!("max-age={seconds}").as_str());
                let private = control(seconds, true).expect("a value");
                assert_eq!(private, format!("private, max-age={seconds}").as_str());
            }
        }
        for left in [-1, 0, 1, 3_600, 3_647, 3_648, i64::MIN, i64::MAX] {
            let status = hit(left).expect("a value");
            assert_eq!(status, format!("cache-core; hit; ttl={left}").as_str());
        }
    }
}
