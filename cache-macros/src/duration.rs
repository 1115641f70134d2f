//! Durations as text: `90s`, `30m`, `2h5m`, `1d`, `500ms`.
//!
//! Not the integers and expressions that an option takes too; those are read where options are read. The
//! invariant is that a duration that parses is longer than nothing and fits into 64 bits of milliseconds.

/// The units, longest first, in milliseconds.
const UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
    ("ms", 1),
];

/// Why a text is not a duration.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Empty,
    Negative,
    Zero,
    TooLong,
    /// A space, which no duration has.
    Space,
    /// A number that no unit follows.
    NoUnit(String),
    /// A unit, or something else, that no number precedes.
    NoNumber(String),
    /// A fraction such as `1.5h`.
    Fraction,
    UnknownUnit(String),
    /// A unit that does not follow a longer one.
    Order(String),
}

/// Milliseconds of a duration text.
pub(crate) fn parse(text: &str) -> Result<u64, Fault> {
    if text.is_empty() {
        return Err(Fault::Empty);
    }
    if text.starts_with('-') {
        return Err(Fault::Negative);
    }
    if text.contains(char::is_whitespace) {
        return Err(Fault::Space);
    }
    let mut rest = text;
    let mut millis: u64 = 0;
    let mut shorter_than = u64::MAX;
    while !rest.is_empty() {
        let (number, after) = split_while(rest, |c| c.is_ascii_digit());
        if after.starts_with(['.', ',']) {
            return Err(Fault::Fraction);
        }
        let (unit, after) = split_while(after, |c| !c.is_ascii_digit());
        if number.is_empty() {
            return Err(Fault::NoNumber(unit.to_owned()));
        }
        if unit.is_empty() {
            return Err(Fault::NoUnit(number.to_owned()));
        }
        let Some((_, scale)) = UNITS.into_iter().find(|(name, _)| *name == unit) else {
            return Err(Fault::UnknownUnit(unit.to_owned()));
        };
        if scale >= shorter_than {
            return Err(Fault::Order(unit.to_owned()));
        }
        shorter_than = scale;
        let number: u64 = number.parse().map_err(|_| Fault::TooLong)?;
        millis = number
            .checked_mul(scale)
            .and_then(|part| millis.checked_add(part))
            .ok_or(Fault::TooLong)?;
        rest = after;
    }
    if millis == 0 { Err(Fault::Zero) } else { Ok(millis) }
}

fn split_while(text: &str, accept: impl Fn(char) -> bool) -> (&str, &str) {
    let end = text.find(|c| !accept(c)).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

#[cfg(test)]
mod tests {
    use super::{Fault, parse};

    #[test]
    fn durations_are_read() {
        assert_eq!(parse("90s"), Ok(90_000));
        assert_eq!(parse("30m"), Ok(1_800_000));
        assert_eq!(parse("2h5m"), Ok(7_500_000));
        assert_eq!(parse("1d"), Ok(86_400_000));
        assert_eq!(parse("500ms"), Ok(500));
        assert_eq!(parse("1d2h3m4s5ms"), Ok(93_784_005));
    }

    #[test]
    fn what_is_no_duration_says_why() {
        assert_eq!(parse(""), Err(Fault::Empty));
        assert_eq!(parse("0s"), Err(Fault::Zero));
        assert_eq!(parse("0h0m"), Err(Fault::Zero));
        assert_eq!(parse("-5m"), Err(Fault::Negative));
        assert_eq!(parse("90"), Err(Fault::NoUnit("90".to_owned())));
        assert_eq!(parse("2h5"), Err(Fault::NoUnit("5".to_owned())));
        assert_eq!(parse("soon"), Err(Fault::NoNumber("soon".to_owned())));
        assert_eq!(parse("1.5h"), Err(Fault::Fraction));
        assert_eq!(parse("2h 5m"), Err(Fault::Space));
        assert_eq!(parse("3 w"), Err(Fault::Space));
        assert_eq!(parse("3w"), Err(Fault::UnknownUnit("w".to_owned())));
        assert_eq!(parse("5m2h"), Err(Fault::Order("h".to_owned())));
        assert_eq!(parse("5m5m"), Err(Fault::Order("m".to_owned())));
        assert_eq!(parse("99999999999999999999s"), Err(Fault::TooLong));
        assert_eq!(parse("999999999999999999d"), Err(Fault::TooLong));
    }

    #[test]
    fn letters_of_any_script_do_not_panic() {
        for text in ["٣s", "5µs", "é", "1é2", "\u{0}"] {
            assert!(parse(text).is_err());
        }
    }
}
