//! Durations as people write them: `90`, `"90s"`, `"30m"`, `"2h5m"`, `"1d"`.

use std::time::Duration;

/// Reads seconds, or a number with units `d h m s ms`, largest first. Zero is a duration here; callers decide.
pub(crate) fn parse(text: &str) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let mut total = Duration::ZERO;
    let mut rest = text;
    let mut last = u64::MAX;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest.get(..digits)?.parse().ok()?;
        rest = rest.get(digits..)?;
        let letters = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let millis: u64 = match rest.get(..letters)? {
            "d" => 86_400_000,
            "h" => 3_600_000,
            "m" => 60_000,
            "s" => 1000,
            "ms" => 1,
            _ => return None,
        };
        if millis >= last {
            return None;
        }
        last = millis;
        total = total.checked_add(Duration::from_millis(number.checked_mul(millis)?))?;
        rest = rest.get(letters..)?;
    }
    (last != u64::MAX).then_some(total)
}

/// Whole milliseconds, at least one for what is not zero, and no more than ten years: what Redis and sums can hold.
pub(crate) fn millis(duration: Duration) -> u64 {
    const TEN_YEARS: u64 = 10 * 365 * 86_400_000;
    if duration.is_zero() {
        return 0;
    }
    u64::try_from(duration.as_millis())
        .unwrap_or(TEN_YEARS)
        .clamp(1, TEN_YEARS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_of_the_documentation_are_read() {
        for (text, seconds) in [
            ("90", 90),
            ("90s", 90),
            ("30m", 1800),
            ("2h5m", 7500),
            ("1d", 86_400),
            ("0", 0),
        ] {
            assert_eq!(parse(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(parse("250ms"), Some(Duration::from_millis(250)));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "-5",
            "5x",
            "m",
            "5m2h",
            "5m5m",
            "1.5h",
            "99999999999999999999",
            "99999999999999999d",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_duration_that_is_not_zero_is_at_least_a_millisecond() {
        assert_eq!(millis(Duration::from_nanos(1)), 1);
        assert_eq!(millis(Duration::ZERO), 0);
        assert!(millis(Duration::MAX) < u64::MAX / 1000);
    }
}
