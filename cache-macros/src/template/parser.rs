//! The grammar of templates: text to parts, or to everything that is wrong with the text.
//!
//! Not the meaning of names. The invariant is that any text at all gives either parts or at least one fault,
//! and that every range lies on character boundaries of the text.

use std::ops::Range;

use super::{Fault, Field, Filter, Flavor, Part, Placeholder, Template};
use crate::suggest::nearest;

/// The parts of a template.
pub(crate) fn parse(text: &str, flavor: Flavor) -> Result<Template, Vec<Fault>> {
    let mut parser = Parser {
        text,
        flavor,
        position: 0,
        parts: Vec::new(),
        faults: Vec::new(),
    };
    parser.run();
    if flavor != Flavor::Target && parser.faults.is_empty() {
        parser.check_segments();
    }
    if parser.faults.is_empty() && text.is_empty() {
        parser.fault(
            0..0,
            "this text is empty",
            "name what is meant, such as `\"lead:{lead_id}\"`",
        );
    }
    if parser.faults.is_empty() {
        Ok(Template { parts: parser.parts })
    } else {
        Err(parser.faults)
    }
}

struct Parser<'t> {
    text: &'t str,
    flavor: Flavor,
    position: usize,
    parts: Vec<Part>,
    faults: Vec<Fault>,
}

impl Parser<'_> {
    fn run(&mut self) {
        while let Some(c) = self.peek() {
            match c {
                '{' => self.placeholder(),
                '}' => {
                    let at = self.position;
                    self.advance(c);
                    self.fault(
                        at..self.position,
                        "this `}` closes nothing",
                        "remove it, or write a placeholder such as `{id}`",
                    );
                }
                _ => {
                    self.check_literal(c);
                    self.advance(c);
                    self.literal(c);
                }
            }
        }
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn rest(&self) -> &str {
        self.text.get(self.position..).unwrap_or_default()
    }

    fn advance(&mut self, c: char) {
        self.position += c.len_utf8();
    }

    fn slice(&self, range: Range<usize>) -> &str {
        self.text.get(range).unwrap_or_default()
    }

    fn fault(&mut self, range: Range<usize>, what: impl Into<String>, help: impl Into<String>) {
        self.faults.push(Fault {
            range,
            what: what.into(),
            help: help.into(),
        });
    }

    fn literal(&mut self, c: char) {
        if let Some(Part::Literal(text)) = self.parts.last_mut() {
            text.push(c);
        } else {
            self.parts.push(Part::Literal(c.to_string()));
        }
    }

    /// Whether `c` may stand in a literal.
    fn check_literal(&mut self, c: char) {
        let range = self.position..self.position + c.len_utf8();
        let (thing, takes_globs) = match self.flavor {
            Flavor::Key => ("a key", false),
            Flavor::KeyType => ("a namespace", false),
            Flavor::Tag => ("a tag", false),
            Flavor::Target => ("a key", true),
        };
        if c.is_control() {
            let what = format!(
                "{thing} cannot hold the control character `{}`",
                c.escape_default()
            );
            self.fault(range, what, "remove it");
        } else if takes_globs {
            // Keys that were set by hand are any text, so a target may name any text.
        } else if c.is_whitespace() {
            self.fault(
                range,
                format!("{thing} cannot hold whitespace"),
                "write `_` or `-` instead",
            );
        } else if matches!(c, '*' | '?' | '[' | ']' | '\\') {
            let help = match self.flavor {
                Flavor::Tag => "patterns match keys; name the tag itself",
                _ => "patterns go into `#[invalidate_cache]`; write another character here",
            };
            self.fault(
                range,
                format!("{thing} cannot hold the glob character `{c}`"),
                help,
            );
        } else if c == '%' && self.flavor != Flavor::Tag {
            self.fault(
                range,
                format!("{thing} cannot hold `%`, which marks what is escaped in values"),
                "write another character",
            );
        }
    }

    /// Reads from `{` to `}`, or to where the placeholder ends being one.
    fn placeholder(&mut self) {
        let open = self.position;
        self.advance('{');
        let rest = self.rest();
        if rest.starts_with('{') {
            let run = rest.find(|c| c != '{').unwrap_or(rest.len());
            self.position += run;
            self.fault(
                open..self.position,
                "braces cannot be escaped, a key holds none",
                "write one brace for a placeholder: `{id}`",
            );
            self.skip_closed();
            return;
        }
        let Some(length) = rest.find(['}', '{']) else {
            self.position = self.text.len();
            self.fault(
                open..open + 1,
                "this `{` is not closed",
                "close the placeholder with `}`",
            );
            return;
        };
        let inner = self.position..self.position + length;
        self.position = inner.end;
        if self.peek() == Some('{') {
            self.fault(
                open..open + 1,
                "this `{` is not closed",
                "close the placeholder with `}`",
            );
            return;
        }
        self.advance('}');
        self.inside(open, inner);
    }

    /// Skips what a run of `{{` opened, so that it gives one fault and not one for each brace.
    fn skip_closed(&mut self) {
        let rest = self.rest();
        let name = rest.find(['}', '{']).unwrap_or(rest.len());
        self.position += name;
        while self.peek() == Some('}') {
            self.advance('}');
        }
    }

    /// Reads what stands between the braces.
    fn inside(&mut self, open: usize, inner: Range<usize>) {
        let text = self.slice(inner.clone()).to_owned();
        if text.is_empty() {
            self.fault(
                open..self.position,
                "this placeholder names nothing",
                "name an argument between the braces, such as `{id}`",
            );
            return;
        }
        if let Some((at, space)) = text
            .char_indices()
            .find(|(_, c)| c.is_whitespace() || c.is_control())
        {
            let range = inner.start + at..inner.start + at + space.len_utf8();
            let trimmed: String = text
                .chars()
                .filter(|c| !c.is_whitespace() && !c.is_control())
                .collect();
            self.fault(
                range,
                "no space may stand inside the braces",
                format!("write `{{{trimmed}}}`"),
            );
            return;
        }
        let (path, filter) = match text.split_once(':') {
            Some((path, filter)) => (path, Some(filter)),
            None => (text.as_str(), None),
        };
        let path_range = inner.start..inner.start + path.len();
        let Some((root, fields)) = self.path(path, path_range.clone()) else {
            return;
        };
        let filter = match filter {
            None => None,
            Some(name) => match Filter::by_name(name) {
                Some(filter) => Some(filter),
                None => return self.unknown_filter(path, name, path_range.end + 1..inner.end),
            },
        };
        let root_range = inner.start..inner.start + root.len();
        self.parts.push(Part::Placeholder(Placeholder {
            root,
            fields,
            filter,
            root_range,
            path_range,
        }));
    }

    fn unknown_filter(&mut self, path: &str, name: &str, range: Range<usize>) {
        if name.is_empty() {
            let before = range.start.saturating_sub(1)..range.start;
            self.fault(
                before,
                "no filter follows this `:`",
                format!("write `{{{path}}}`, `{{{path}:hash}}` or `{{{path}:lower}}`"),
            );
            return;
        }
        let help = match nearest(name, Filter::NAMES) {
            Some(near) => format!("did you mean `{{{path}:{near}}}`?"),
            None => "the filters are `hash` and `lower`".to_owned(),
        };
        self.fault(range, format!("unknown filter `{name}`"), help);
    }

    /// `root.field.0`
    fn path(&mut self, path: &str, range: Range<usize>) -> Option<(String, Vec<Field>)> {
        let mut root = None;
        let mut fields = Vec::new();
        let mut at = range.start;
        for name in path.split('.') {
            let here = at..at + name.len();
            at = here.end + 1;
            if name.is_empty() {
                let dot = here.start.min(range.end.saturating_sub(1));
                let what = if root.is_none() {
                    "this placeholder names no argument"
                } else {
                    "no field follows this `.`"
                };
                let place = if root.is_none() {
                    range.clone()
                } else {
                    dot..dot + 1
                };
                self.fault(place, what, "write the path to a value, such as `{filters.city}`");
                return None;
            }
            if let Some(plain) = name.strip_prefix("r#") {
                self.fault(
                    here,
                    "raw identifiers are written without `r#` in a template",
                    format!("write `{plain}`"),
                );
                return None;
            }
            if root.is_some() && name.bytes().all(|b| b.is_ascii_digit()) {
                let Ok(index) = name.parse::<u32>() else {
                    self.fault(
                        here,
                        format!("no tuple has a field `{name}`"),
                        "count the fields from 0",
                    );
                    return None;
                };
                fields.push(Field::Index(index));
            } else if is_identifier(name) {
                match root {
                    None => root = Some(name.to_owned()),
                    Some(_) => fields.push(Field::Named(name.to_owned())),
                }
            } else {
                self.not_a_name(name, here);
                return None;
            }
        }
        root.map(|root| (root, fields))
    }

    fn not_a_name(&mut self, name: &str, range: Range<usize>) {
        let help = if name.contains('(') {
            "a placeholder takes an argument and fields; compute other values with `key_fn`"
        } else if name.contains('[') {
            "a placeholder takes an argument and fields; name a tuple's field as `{pair.0}`"
        } else if name.starts_with(['&', '*']) {
            "write the name alone, references are looked through"
        } else {
            "write the name of an argument, then fields: `{filters.city}`"
        };
        self.fault(range, format!("`{name}` is not a name"), help);
    }

    /// The rules on segments, the texts between colons.
    fn check_segments(&mut self) {
        let mut start = 0;
        let mut depth = 0_usize;
        let mut segments = Vec::new();
        for (at, c) in self.text.char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth = depth.saturating_sub(1),
                ':' if depth == 0 => {
                    segments.push(start..at);
                    start = at + 1;
                }
                _ => {}
            }
        }
        segments.push(start..self.text.len());
        for segment in segments.iter().filter(|segment| segment.is_empty()) {
            // The range takes in the colon beside it, so that there is something to point at.
            let place = segment.start.saturating_sub(1)..(segment.end + 1).min(self.text.len());
            let (what, help) = match self.flavor {
                _ if self.text.is_empty() => ("this text is empty", "begin with a name, such as `\"lead\"`"),
                _ if segment.start == 0 => (
                    "nothing stands before the first `:`",
                    "begin with a name, such as `lead:`",
                ),
                _ => (
                    "this segment is empty",
                    "write something between the colons, or remove one",
                ),
            };
            self.fault(place, what, help);
        }
        if self.flavor == Flavor::Key
            && self.faults.is_empty()
            && let Some(first) = segments.first()
            && self.slice(first.clone()).contains('{')
        {
            let help = format!("begin with a literal, such as `\"lead:{}\"`", self.text);
            self.fault(
                first.clone(),
                "the key has no namespace, its first segment is not plain text",
                help,
            );
        }
    }
}

/// Near enough to what Rust takes as an identifier; what differs is found when the name is looked up.
fn is_identifier(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_alphabetic() || c == '_')
        && chars.all(|c| c.is_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::super::{Field, Filter, Flavor, Part, Template};
    use super::parse;

    fn key(text: &str) -> Template {
        match parse(text, Flavor::Key) {
            Ok(template) => template,
            Err(faults) => panic!("{text}: {faults:?}"),
        }
    }

    fn fault(text: &str, flavor: Flavor) -> (String, String) {
        match parse(text, flavor) {
            Ok(template) => panic!("{text}: {template:?}"),
            Err(faults) => {
                let first = faults
                    .into_iter()
                    .next()
                    .unwrap_or_else(|| panic!("no fault in {text}"));
                (first.what, text.get(first.range).unwrap_or("?").to_owned())
            }
        }
    }

    #[test]
    fn literals_and_placeholders_are_read_in_order() {
        let template = key("lead:{lead_id}:{filters.city.0}:{self.tenant}:{text:hash}x");
        let roots: Vec<_> = template
            .parts
            .iter()
            .filter_map(|part| match part {
                Part::Placeholder(p) => Some((p.root.as_str(), p.fields.len(), p.filter)),
                Part::Literal(_) => None,
            })
            .collect();
        assert_eq!(
            roots,
            [
                ("lead_id", 0, None),
                ("filters", 2, None),
                ("self", 1, None),
                ("text", 0, Some(Filter::Hash))
            ]
        );
        assert_eq!(template.parts.first(), Some(&Part::Literal("lead:".to_owned())));
        assert_eq!(template.parts.last(), Some(&Part::Literal("x".to_owned())));
    }

    #[test]
    fn letters_of_any_script_are_literals() {
        assert!(parse("größe:地域:{id}", Flavor::Key).is_ok());
    }

    #[test]
    fn tuple_fields_are_numbers() {
        let template = key("a:{pair.1}");
        let Some(Part::Placeholder(placeholder)) = template.parts.last() else {
            panic!("{template:?}")
        };
        assert_eq!(placeholder.fields, [Field::Index(1)]);
    }

    #[test]
    fn faults_point_at_their_place() {
        let cases = [
            ("a:{b", "this `{` is not closed", "{"),
            ("a:b}", "this `}` closes nothing", "}"),
            ("a:{}", "this placeholder names nothing", "{}"),
            ("a:{{b}}", "braces cannot be escaped, a key holds none", "{{"),
            ("a:{b{c}", "this `{` is not closed", "{"),
            ("a:{ b}", "no space may stand inside the braces", " "),
            ("a:{b:upper}", "unknown filter `upper`", "upper"),
            ("a:{b:}", "no filter follows this `:`", ":"),
            ("a::{b}", "this segment is empty", "::"),
            ("a:", "this segment is empty", ":"),
            (":a", "nothing stands before the first `:`", ":"),
            ("", "this text is empty", ""),
            (
                "{a}:b",
                "the key has no namespace, its first segment is not plain text",
                "{a}",
            ),
            (
                "lead{a}:b",
                "the key has no namespace, its first segment is not plain text",
                "lead{a}",
            ),
            ("a b:{c}", "a key cannot hold whitespace", " "),
            ("a:*", "a key cannot hold the glob character `*`", "*"),
            (
                "a:%41",
                "a key cannot hold `%`, which marks what is escaped in values",
                "%",
            ),
            (
                "a:\u{7}",
                "a key cannot hold the control character `\\u{7}`",
                "\u{7}",
            ),
            ("a:{b.}", "no field follows this `.`", "."),
            ("a:{.b}", "this placeholder names no argument", ".b"),
            ("a:{b()}", "`b()` is not a name", "b()"),
            ("a:{0}", "`0` is not a name", "0"),
            (
                "a:{r#type}",
                "raw identifiers are written without `r#` in a template",
                "r#type",
            ),
            (
                "a:{b.99999999999}",
                "no tuple has a field `99999999999`",
                "99999999999",
            ),
        ];
        for (text, what, place) in cases {
            assert_eq!(
                fault(text, Flavor::Key),
                (what.to_owned(), place.to_owned()),
                "{text}"
            );
        }
    }

    #[test]
    fn targets_take_patterns_and_any_segment() {
        for text in ["campaign:{id}:*", "a::b", "[ab]?", "with space", "{id}"] {
            assert!(parse(text, Flavor::Target).is_ok(), "{text}");
        }
        assert_eq!(fault("", Flavor::Target).0, "this text is empty");
        assert_eq!(
            fault("city:*", Flavor::Tag).0,
            "a tag cannot hold the glob character `*`"
        );
        assert!(parse("{result.city}", Flavor::Tag).is_ok());
    }

    /// Texts made of what the grammar cares about, by a small generator with a fixed seed.
    #[test]
    fn arbitrary_text_gives_parts_or_faults_and_never_panics() {
        const ALPHABET: [&str; 24] = [
            "{", "}", "{", "}", ":", ":", ".", "a", "self", "0", "hash", "é", "地", " ", "\u{301}", "\n",
            "*", "\\", "r#", "_", "🦀", "\"", "[", "lower",
        ];
        let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
        for _ in 0..60_000 {
            let mut text = String::new();
            loop {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                let choice = usize::try_from(state % 29).unwrap_or(0);
                match ALPHABET.get(choice) {
                    Some(piece) => text.push_str(piece),
                    None => break,
                }
            }
            for flavor in [Flavor::Key, Flavor::KeyType, Flavor::Target, Flavor::Tag] {
                match parse(&text, flavor) {
                    Ok(template) => assert!(!template.parts.is_empty(), "{text:?}"),
                    Err(faults) => {
                        assert!(!faults.is_empty(), "{text:?}");
                        for fault in faults {
                            assert!(text.get(fault.range).is_some(), "{text:?}");
                        }
                    }
                }
            }
        }
    }
}
