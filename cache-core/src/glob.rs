//! Glob patterns with the exact meaning that Redis gives them (`* ? [a-c] [^a] \`), byte for byte.
//! It is no regular expression and has no alternatives. Invariant: linear in the text for each `*`, never exponential.

/// Whether `text` matches `pattern` as Redis' `SCAN MATCH` would have it.
pub(crate) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    // Where to resume when what follows the last star did not match: one more byte goes to that star.
    let mut star: Option<(usize, usize)> = None;
    loop {
        if t == text.len() {
            return pattern[p..].iter().all(|byte| *byte == b'*');
        }
        match step(&pattern[p..], text[t]) {
            Step::Star => {
                p += 1;
                star = Some((p, t));
                continue;
            }
            Step::One(used) => {
                p += used;
                t += 1;
                continue;
            }
            Step::No => {}
        }
        match star {
            Some((after, from)) => {
                p = after;
                t = from + 1;
                star = Some((after, t));
            }
            None => return false,
        }
    }
}

/// Whether the pattern has anything in it that is not a literal byte.
pub(crate) fn is_pattern(text: &str) -> bool {
    text.bytes()
        .any(|byte| matches!(byte, b'*' | b'?' | b'[' | b'\\'))
}

/// The bytes that every match begins with.
pub(crate) fn literal_prefix(pattern: &str) -> String {
    let mut out = Vec::new();
    let mut bytes = pattern.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'*' | b'?' | b'[' => break,
            b'\\' => match bytes.next() {
                Some(next) => out.push(next),
                None => out.push(b'\\'),
            },
            _ => out.push(byte),
        }
    }
    // A pattern may hold an escaped half of a character; what is before it is a prefix all the same.
    match String::from_utf8(out) {
        Ok(text) => text,
        Err(error) => {
            let valid = error.utf8_error().valid_up_to();
            String::from_utf8_lossy(&error.as_bytes()[..valid]).into_owned()
        }
    }
}

/// Writes `text` so that it matches itself alone.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '*' | '?' | '[' | ']' | '\\' | '^') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

enum Step {
    /// The pattern is at a star.
    Star,
    /// The byte matches, and this many bytes of the pattern are used up.
    One(usize),
    No,
}

fn step(pattern: &[u8], byte: u8) -> Step {
    match pattern {
        [] => Step::No,
        [b'*', ..] => Step::Star,
        [b'?', ..] => Step::One(1),
        [b'[', rest @ ..] => {
            let (matched, used) = class(rest, byte);
            if matched { Step::One(used + 1) } else { Step::No }
        }
        [b'\\', literal, ..] => {
            if *literal == byte {
                Step::One(2)
            } else {
                Step::No
            }
        }
        [literal, ..] => {
            if *literal == byte {
                Step::One(1)
            } else {
                Step::No
            }
        }
    }
}

/// A bracket class, from behind its `[`: whether `byte` is in it, and how many bytes it takes with its `]`.
/// A class that is never closed ends with the pattern, as in Redis.
pub(crate) fn class(pattern: &[u8], byte: u8) -> (bool, usize) {
    let mut at = 0;
    let negated = pattern.first() == Some(&b'^');
    if negated {
        at += 1;
    }
    let mut matched = false;
    loop {
        match &pattern[at.min(pattern.len())..] {
            [] => break,
            [b'\\', literal, ..] => {
                matched |= *literal == byte;
                at += 2;
            }
            [b']', ..] => {
                at += 1;
                break;
            }
            [from, b'-', to, ..] => {
                // Redis compares the bytes of a range as C's signed characters.
                let (from, to, byte) = (from.cast_signed(), to.cast_signed(), byte.cast_signed());
                matched |= (from.min(to)..=from.max(to)).contains(&byte);
                at += 3;
            }
            [literal, ..] => {
                matched |= *literal == byte;
                at += 1;
            }
        }
    }
    (matched != negated, at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_classes_and_escapes_mean_what_redis_means() {
        for (pattern, text, expected) in [
            ("user:*", "user:1", true),
            ("user:*", "user:", true),
            ("user:*", "users", false),
            ("*", "", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("[a-c]x", "bx", true),
            ("[c-a]x", "bx", true),
            ("[^a]x", "bx", true),
            ("[^a]x", "ax", false),
            ("[ab", "a", true),
            ("\\*", "*", true),
            ("\\*", "x", false),
            ("a**b*c", "aXbYc", true),
            ("*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaa", false),
            ("h[\\]]llo", "h]llo", true),
            ("a\\", "a\\", true),
        ] {
            assert_eq!(
                matches(pattern.as_bytes(), text.as_bytes()),
                expected,
                "{pattern} on {text}"
            );
        }
    }

    #[test]
    fn the_literal_prefix_ends_at_the_first_wildcard() {
        assert_eq!(literal_prefix("lead:\\*:*"), "lead:*:");
        assert_eq!(literal_prefix("lead:42"), "lead:42");
        assert_eq!(literal_prefix("*"), "");
    }

    #[test]
    fn an_escaped_text_matches_itself_alone() {
        let text = "a*b?[c]\\d";
        assert!(matches(escape(text).as_bytes(), text.as_bytes()));
        assert!(!matches(escape(text).as_bytes(), b"axb?[c]\\d"));
    }
}
