//! Renders a key from literals and values. It knows no types of values; `part` does.
//! Invariant: the text of a value never holds a byte that ends it, so every key can be read back in one way only.
//!
//! A value is written with ASCII letters, digits and `-_.@+/,=~` as they are, and every other byte as `%` and two
//! upper-case hex digits. What is no text starts with `%` and something that is no such digit:
//! `%n` is `None`, `%s` stands before a `Some` that would read as one of these two, `%e` is the empty text,
//! `%.` stands between two values that follow each other directly, `%~` comes before the digest of a key that was too long.
//! Lists and structs are `(a,b)`; inside of them a comma is escaped too.

use arrayvec::ArrayVec;
use sha2::{Digest, Sha256};

/// The longest key, in bytes.
pub(crate) const MAX_KEY: usize = 512;
const DIGEST: usize = 64;
const MARK: &[u8] = b"%~";
const KEPT: usize = MAX_KEY - DIGEST - MARK.len();

/// The bytes that a value shows as they are.
const PLAIN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        let b = byte as u8;
        table[byte] = b.is_ascii_alphanumeric()
            || matches!(b, b'-' | b'_' | b'.' | b'@' | b'+' | b'/' | b',' | b'=' | b'~');
        byte += 1;
    }
    table
};
/// Whether a value shows a byte as it is.
pub(crate) fn is_plain(byte: u8) -> bool {
    PLAIN[usize::from(byte)]
}

/// The other bytes, as 1.
const SPECIAL: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = !PLAIN[byte] as u8;
        byte += 1;
    }
    table
};
const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// What is written instead of text: the bytes of the arguments, for finding an entry within this process. Each value
/// begins with what it is, and tells its length where that varies, so that it ends where it ends.
mod tag {
    pub(super) const TEXT: u8 = 1;
    pub(super) const NONE: u8 = 2;
    pub(super) const SOME: u8 = 3;
    pub(super) const OPEN: u8 = 4;
    pub(super) const CLOSE: u8 = 5;
    pub(super) const LONG_TEXT: u8 = 6;
    /// Plus the number of bytes.
    pub(super) const UNSIGNED: u8 = 32;
    /// Plus the number of bytes.
    pub(super) const SIGNED: u8 = 64;
}

/// Something that has a number of its own in this process: a function.
#[doc(hidden)]
pub trait Numbered {
    /// The number.
    fn number(&self) -> usize;
}

/// An integer type. Implemented for those of the language, and for no others.
pub trait Integer: itoa::Integer + Copy {
    #[doc(hidden)]
    fn write_bytes(self, out: &mut KeyWriter);
}

macro_rules! integers {
    ($($t:ty => $tag:expr),*) => {$(
        impl Integer for $t {
            #[inline]
            fn write_bytes(self, out: &mut KeyWriter) {
                const SIZE: usize = size_of::<$t>();
                let mut bytes = [$tag + SIZE as u8; SIZE + 1];
                bytes[1..].copy_from_slice(&self.to_le_bytes());
                out.bytes(&bytes);
            }
        }
    )*};
}
integers!(
    u8 => tag::UNSIGNED, u16 => tag::UNSIGNED, u32 => tag::UNSIGNED, u64 => tag::UNSIGNED, u128 => tag::UNSIGNED,
    usize => tag::UNSIGNED, i8 => tag::SIGNED, i16 => tag::SIGNED, i32 => tag::SIGNED, i64 => tag::SIGNED,
    i128 => tag::SIGNED, isize => tag::SIGNED
);

/// Where a [`CacheKey`](crate::CacheKey) writes itself.
///
/// Values are escaped so that neither a separator nor a wildcard in them can be mistaken for one of the template's.
#[derive(Debug)]
pub struct KeyWriter {
    /// Whether the arguments are wanted as bytes and not as text.
    raw: bool,
    text: ArrayVec<u8, MAX_KEY>,
    /// The whole text, once it is longer than a key may be.
    spill: Vec<u8>,
    /// A byte of the template that ends the current value, and is escaped in it. Zero for none.
    end: u8,
    depth: u32,
    /// A value has been written that nothing has ended yet.
    unended: bool,
    /// A value could not be written, so there is no key.
    failed: bool,
}

impl KeyWriter {
    #[inline]
    pub(crate) fn new() -> Self {
        Self::of(false)
    }

    #[expect(clippy::inline_always, reason = "moving it would copy the whole buffer")]
    #[inline(always)]
    fn of(raw: bool) -> Self {
        Self {
            raw,
            text: ArrayVec::new_const(),
            spill: Vec::new(),
            end: 0,
            depth: 0,
            unended: false,
            failed: false,
        }
    }

    /// A writer of the bytes of arguments.
    #[doc(hidden)]
    #[expect(clippy::inline_always, reason = "moving it would copy the whole buffer")]
    #[inline(always)]
    pub fn arguments() -> Self {
        Self::of(true)
    }

    /// Begins the bytes of the arguments of a function.
    #[doc(hidden)]
    #[inline]
    pub fn function(&mut self, function: &impl Numbered) {
        self.bytes(&(function.number() as u32).to_le_bytes());
    }

    /// The bytes of the arguments, unless they are many or one of them could not be written.
    #[inline]
    pub(crate) fn short(&self) -> Option<&[u8]> {
        (self.spill.is_empty() && !self.failed).then_some(&*self.text)
    }

    /// The bytes of the finished key, which are UTF-8. A text that is too long keeps its beginning and ends in the
    /// SHA-256 of the whole.
    #[inline]
    pub(crate) fn finish(&mut self) -> &[u8] {
        if !self.spill.is_empty() {
            self.shorten();
        }
        &self.text
    }

    /// There is no key: a value could not be written.
    pub(crate) fn fail(&mut self) {
        self.failed = true;
    }

    #[inline]
    pub(crate) fn has_failed(&self) -> bool {
        self.failed
    }

    /// The finished pattern, of any length.
    pub(crate) fn into_pattern(self) -> String {
        let bytes = if self.spill.is_empty() {
            self.text.to_vec()
        } else {
            self.spill
        };
        String::from_utf8(bytes).unwrap_or_default()
    }

    #[cold]
    fn shorten(&mut self) {
        let digest = hex::encode(Sha256::digest(&self.spill));
        self.text.clear();
        // Neither a character nor an escape is cut in two.
        let mut kept = KEPT;
        while kept > 0 && self.spill[kept] & 0xC0 == 0x80 {
            kept -= 1;
        }
        if let Some(back) = (1..=2).find(|back| kept >= *back && self.spill[kept - back] == b'%') {
            kept -= back;
        }
        self.text.extend(self.spill[..kept].iter().copied());
        self.text.extend(MARK.iter().copied());
        self.text.extend(digest.bytes());
        self.spill = Vec::new();
    }

    #[inline]
    fn bytes(&mut self, bytes: &[u8]) {
        // Once something did not fit, this buffer is full, so that nothing is written here any more.
        if self.text.try_extend_from_slice(bytes).is_err() {
            self.overflow(bytes);
        }
    }

    #[cold]
    fn overflow(&mut self, bytes: &[u8]) {
        if self.spill.is_empty() {
            self.spill.extend_from_slice(&self.text);
            let rest = self.text.remaining_capacity();
            self.text.extend(std::iter::repeat_n(0, rest));
        }
        self.spill.extend_from_slice(bytes);
    }

    /// Text of the template itself.
    #[doc(hidden)]
    #[inline]
    pub fn literal(&mut self, text: &str) {
        // It is the same for all calls of a function.
        if !self.raw {
            self.unended = false;
            self.bytes(text.as_bytes());
        }
    }

    /// The digest of some bytes.
    pub(crate) fn digest(&mut self, bytes: &[u8], digest: impl FnOnce(&[u8]) -> String) {
        if self.raw {
            self.raw_text(bytes);
        } else {
            self.begin_value();
            self.bytes(digest(bytes).as_bytes());
        }
    }

    #[inline]
    fn raw_text(&mut self, bytes: &[u8]) {
        if bytes.len() < 256 {
            self.bytes(&[tag::TEXT, bytes.len() as u8]);
            self.bytes(bytes);
        } else {
            self.long_raw_text(bytes);
        }
    }

    #[cold]
    fn long_raw_text(&mut self, bytes: &[u8]) {
        self.bytes(&[tag::LONG_TEXT]);
        self.bytes(&bytes.len().to_le_bytes());
        self.bytes(bytes);
    }

    /// Text of a pattern or a key that is written by hand: literals as they are.
    #[doc(hidden)]
    #[inline]
    pub fn raw(&mut self, text: &str) {
        self.unended = false;
        self.bytes(text.as_bytes());
    }

    /// A text value, escaped where needed.
    #[inline]
    pub fn text(&mut self, text: &str) {
        if self.raw {
            self.raw_text(text.as_bytes());
        } else {
            self.plain_text(text.as_bytes());
        }
    }

    /// Ends the value before this one, where the template does not.
    fn begin_value(&mut self) {
        if self.unended {
            self.bytes(b"%.");
        }
        self.unended = true;
    }

    fn plain_text(&mut self, bytes: &[u8]) {
        self.begin_value();
        // Without an early exit this loop is short enough to be unrolled.
        let special = bytes
            .iter()
            .fold(0, |special, byte| special | SPECIAL[usize::from(*byte)]);
        if special | self.end == 0 && self.depth == 0 && !bytes.is_empty() {
            self.bytes(bytes);
        } else {
            self.escaped(bytes);
        }
    }

    fn escaped(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return self.bytes(b"%e");
        }
        let (end, depth) = (self.end, self.depth);
        let plain = |b: u8| PLAIN[usize::from(b)] && b != end && !(depth > 0 && b == b',');
        let mut rest = bytes;
        while let Some(&first) = rest.first() {
            let run = rest.iter().position(|b| !plain(*b)).unwrap_or(rest.len());
            if run > 0 {
                self.bytes(&rest[..run]);
                rest = &rest[run..];
            } else {
                self.bytes(&[b'%', HEX[usize::from(first >> 4)], HEX[usize::from(first & 15)]]);
                rest = &rest[1..];
            }
        }
    }

    /// An integer, in decimal.
    #[inline]
    pub fn integer(&mut self, number: impl Integer) {
        if self.raw {
            number.write_bytes(self);
        } else {
            self.decimal(number);
        }
    }

    #[inline(never)]
    fn decimal(&mut self, number: impl Integer) {
        self.begin_value();
        let mut buffer = itoa::Buffer::new();
        let text = buffer.format(number);
        if self.end == 0 {
            self.bytes(text.as_bytes());
        } else {
            self.escaped(text.as_bytes());
        }
    }

    /// An absent value. It differs from every text.
    pub fn none(&mut self) {
        if self.raw {
            self.bytes(&[tag::NONE]);
        } else {
            self.begin_value();
            self.bytes(b"%n");
        }
    }

    /// A value that may be absent.
    pub fn optional<T: crate::CacheKey>(&mut self, value: Option<&T>) {
        let Some(value) = value else { return self.none() };
        if self.raw {
            self.bytes(&[tag::SOME]);
            return value.write_key(self);
        }
        self.begin_value();
        self.unended = false;
        let start = self.len();
        value.write_key(self);
        // `Some(None)` must differ from `None`, so what reads as either is marked.
        let written = self.written();
        if written[start..].starts_with(b"%n") || written[start..].starts_with(b"%s") {
            let inner = written[start..].to_vec();
            self.cut(start);
            self.bytes(b"%s");
            self.bytes(&inner);
        }
    }

    /// Several values that make one part: a list, a tuple, the fields of a struct.
    pub fn list<'a, T: crate::CacheKey + ?Sized + 'a>(&mut self, items: impl IntoIterator<Item = &'a T>) {
        self.open();
        for (index, item) in items.into_iter().enumerate() {
            self.item(index, item);
        }
        self.close();
    }

    /// Begins a group; see [`item`](Self::item).
    #[doc(hidden)]
    pub fn open(&mut self) {
        if self.raw {
            return self.bytes(&[tag::OPEN]);
        }
        self.begin_value();
        self.unended = false;
        self.depth = self.depth.saturating_add(1);
        self.bytes(b"(");
    }

    /// One member of a group.
    #[doc(hidden)]
    pub fn item<T: crate::CacheKey + ?Sized>(&mut self, index: usize, item: &T) {
        if index > 0 && !self.raw {
            self.unended = false;
            self.bytes(b",");
        }
        item.write_key(self);
    }

    /// Ends a group.
    #[doc(hidden)]
    pub fn close(&mut self) {
        if self.raw {
            return self.bytes(&[tag::CLOSE]);
        }
        self.depth = self.depth.saturating_sub(1);
        self.bytes(b")");
        self.unended = true;
    }

    /// Writes a value that a byte of the template follows in the same segment.
    #[doc(hidden)]
    pub fn before(&mut self, end: u8, write: impl FnOnce(&mut Self)) {
        self.end = end;
        write(self);
        self.end = 0;
    }

    /// The namespace of a function that has no key of its own.
    #[doc(hidden)]
    pub fn namespace(&mut self, path: &str) {
        if self.raw {
            return;
        }
        self.unended = false;
        let mut rest = path;
        while let Some((module, inner)) = rest.split_once("::") {
            self.bytes(module.as_bytes());
            self.bytes(b".");
            rest = inner;
        }
        self.bytes(rest.as_bytes());
    }

    fn len(&self) -> usize {
        self.written().len()
    }

    fn written(&self) -> &[u8] {
        if self.spill.is_empty() {
            &self.text
        } else {
            &self.spill
        }
    }

    fn cut(&mut self, len: usize) {
        if self.spill.is_empty() {
            self.text.truncate(len);
        } else if len == 0 {
            self.spill.clear();
            self.text.clear();
        } else {
            self.spill.truncate(len);
        }
    }
}

/// Whether a key is one that was too long and ends in a digest.
pub(crate) fn is_shortened(key: &str) -> bool {
    let bytes = key.as_bytes();
    bytes.len() > KEPT
        && bytes.len() <= MAX_KEY
        && bytes[bytes.len() - DIGEST - MARK.len()..].starts_with(MARK)
        && bytes[bytes.len() - DIGEST..].iter().all(u8::is_ascii_hexdigit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CacheKey;

    fn render(write: impl FnOnce(&mut KeyWriter)) -> String {
        let mut writer = KeyWriter::new();
        write(&mut writer);
        String::from_utf8(writer.finish().to_vec()).unwrap()
    }

    #[test]
    fn k2_ordinary_values_appear_as_written() {
        let key = render(|k| {
            k.literal("user_prefs:");
            "ann@example.com".write_key(k);
        });
        assert_eq!(key, "user_prefs:ann@example.com");
    }

    #[test]
    fn k3_none_empty_text_and_empty_list_differ() {
        let texts = [
            render(|k| None::<String>.write_key(k)),
            render(|k| "".write_key(k)),
            render(|k| "None".write_key(k)),
            render(|k| Vec::<String>::new().write_key(k)),
            render(|k| vec![String::new()].write_key(k)),
            render(|k| Some(None::<String>).write_key(k)),
            render(|k| Some(Some(None::<String>)).write_key(k)),
            render(|k| "%n".write_key(k)),
        ];
        let distinct: std::collections::HashSet<_> = texts.iter().collect();
        assert_eq!(distinct.len(), texts.len(), "{texts:?}");
    }

    #[test]
    fn k3_a_literal_after_a_value_is_escaped_in_it() {
        let pair = |a: &str, b: &str| {
            render(|k| {
                k.before(b'-', |k| a.write_key(k));
                k.literal("-");
                b.write_key(k);
            })
        };
        assert_eq!(pair("a", "b"), "a-b");
        assert_ne!(pair("a-b", "c"), pair("a", "b-c"));
    }

    #[test]
    fn k3_values_that_follow_each_other_are_told_apart() {
        let pair = |a: &str, b: &str| {
            render(|k| {
                a.write_key(k);
                b.write_key(k);
            })
        };
        assert_ne!(pair("ab", "c"), pair("a", "bc"));
        // A comma is escaped however deep a list is in others.
        let deep = |items: Vec<&str>| {
            render(|k| {
                (0..300).for_each(|_| k.open());
                k.list(items.iter());
                (0..300).for_each(|_| k.close());
            })
        };
        assert_ne!(deep(vec!["a,b"]), deep(vec!["a", "b"]));
    }

    #[test]
    fn k5_a_long_key_is_cut_at_512_bytes_and_ends_in_the_digest_of_the_whole() {
        let long = "é".repeat(400);
        let key = render(|k| {
            k.literal("x:");
            k.text(&long);
        });
        let whole = format!("x:{}", "%C3%A9".repeat(400));
        assert!(key.len() <= MAX_KEY && key.ends_with(&hex::encode(Sha256::digest(whole))));
        assert!(is_shortened(&key));
        let other = render(|k| {
            k.literal("x:");
            k.text(&"é".repeat(401));
        });
        assert_ne!(key, other);
    }
}
