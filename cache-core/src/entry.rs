//! The bytes of an entry outside of this process: a header that names what it is, then the payload.
//! It knows nothing of types; the codec does. Invariant: reading arbitrary bytes gives an entry or an error, never a
//! panic, and never allocates more than the limit it is given.
//!
//! All numbers are little-endian. The head, which the scripts of the Redis tier read and write by position:
//! `CA C1` magic · format version `u8` · flags `u8` · codec `u8` · version of the function `u32` · fresh until `u64` · served
//! until `u64` (milliseconds since 1970 by the clock of the server) · token `u64` of the load that stored it or runs for
//! it · end of the lease `u64` · state of the lease `u8` · terms of that load `u64`. A lease without an entry is a head
//! alone.
//! The rest: loaded at `u64` · shape of the value's type `u64` (0 when it is not known) · run of the server that it was stored
//! in `u64` (0 likewise) · length of the payload before
//! compression `u32` · length of the key `u32` · number of generations `u16` · the key · for each generation: length of its
//! name `u16`, the name, its nonce `u64` · the payload.

use std::borrow::Cow;

const MAGIC: [u8; 2] = [0xCA, 0xC1];
const VERSION: u8 = 2;
const COMPRESSED: u8 = 1;
const ABSENT: u8 = 2;
/// There is no entry, but a load that runs for one.
const EMPTY: u8 = 4;
/// The codec of what serde writes.
pub(crate) const JSON: u8 = 1;
/// The codec of whole responses.
pub(crate) const RESPONSE: u8 = 2;
const FIXED: usize = 84;

/// The length of the head.
pub(crate) const HEAD: usize = 50;
/// The length of what stands before the token.
const BEFORE_TOKEN: usize = 25;

/// The state of a lease: there is none.
const FREE: u8 = 0;
/// The state of a lease whose load failed, with the time until which it should not be tried again.
const FAILED: u8 = 2;

/// An entry, ready to be written or just read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored<'a> {
    /// The `version` of the function that loaded it; 0 when it has none.
    pub(crate) version: u32,
    /// How the value is encoded: [`JSON`] or [`RESPONSE`].
    pub(crate) codec: u8,
    /// When it was loaded, in milliseconds since 1970 by the clock of the server, as are the other times.
    pub(crate) born: u64,
    /// When it stops being fresh.
    pub(crate) fresh_until: u64,
    /// When it may no longer be served at all.
    pub(crate) serve_until: u64,
    /// What no other load has.
    pub(crate) token: u64,
    /// Until when the function should not be tried again, because it has just failed; 0 when it has not.
    pub(crate) retry_at: u64,
    /// The shape of the value's type; 0 when it is not known.
    pub(crate) shape: u64,
    /// The run of the server that it was stored in; 0 when it is not known.
    pub(crate) origin: u64,
    /// The generations it was loaded under, by name.
    pub(crate) generations: Stamps<'a>,
    /// The encoded value; nothing for a stored `None`.
    pub(crate) payload: Option<Cow<'a, [u8]>>,
}

/// Names of generations with their nonces, as the bytes that they are in an entry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Stamps<'a> {
    count: u16,
    bytes: Cow<'a, [u8]>,
}

impl Stamps<'_> {
    /// Each name, to be held against one that is known, and its nonce.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], u64)> {
        let mut reader = Reader(&self.bytes);
        (0..self.count).map_while(move |_| reader.stamp().ok())
    }

    /// The same, with names that can be looked up; nothing if one of them is no text.
    pub(crate) fn texts(&self) -> Option<Vec<(&str, u64)>> {
        self.iter()
            .map(|(name, nonce)| Some((std::str::from_utf8(name).ok()?, nonce)))
            .collect()
    }
}

impl<'n> FromIterator<(&'n str, u64)> for Stamps<'static> {
    fn from_iter<I: IntoIterator<Item = (&'n str, u64)>>(stamps: I) -> Self {
        let (mut count, mut bytes) = (0, Vec::new());
        for (name, nonce) in stamps {
            count += 1;
            bytes.extend_from_slice(&(name.len() as u16).to_le_bytes());
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(&nonce.to_le_bytes());
        }
        Self {
            count,
            bytes: Cow::Owned(bytes),
        }
    }
}

/// Why bytes are no entry for this key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// No entry yet, but a load that runs for one. This is no fault.
    Leased,
    /// Not written by this library, or cut short.
    Foreign,
    /// Written by another version of the format.
    Version(u8),
    /// Written for another key.
    OtherKey,
    /// Cannot be decompressed within the limit.
    Compression,
}

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Leased => f.write_str("a load runs for the entry"),
            Self::Foreign => f.write_str("the bytes are no cache entry"),
            Self::Version(version) => write!(f, "the entry has format version {version}, this is {VERSION}"),
            Self::OtherKey => f.write_str("the entry was written for another key"),
            Self::Compression => f.write_str("the entry cannot be decompressed within the size limit"),
        }
    }
}

impl<'a> Stored<'a> {
    /// The bytes to store. `threshold` is the payload size in bytes from which on it is compressed, 0 for never.
    pub(crate) fn write(&self, key: &str, threshold: usize) -> Vec<u8> {
        let payload = self.payload.as_deref().unwrap_or_default();
        let compressed = compress(payload, threshold);
        let mut flags = 0;
        if compressed.is_some() {
            flags |= COMPRESSED;
        }
        if self.payload.is_none() {
            flags |= ABSENT;
        }
        let body = compressed.as_deref().unwrap_or(payload);
        let stamps = &self.generations;
        let mut out = Vec::with_capacity(FIXED + key.len() + stamps.bytes.len() + body.len());
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&[VERSION, flags, self.codec]);
        out.extend_from_slice(&self.version.to_le_bytes());
        out.extend_from_slice(&self.fresh_until.to_le_bytes());
        out.extend_from_slice(&self.serve_until.to_le_bytes());
        out.extend_from_slice(&self.token.to_le_bytes());
        out.extend_from_slice(&self.retry_at.to_le_bytes());
        out.push(if self.retry_at == 0 { FREE } else { FAILED });
        out.extend_from_slice(&0u64.to_le_bytes());
        out.extend_from_slice(&self.born.to_le_bytes());
        out.extend_from_slice(&self.shape.to_le_bytes());
        out.extend_from_slice(&self.origin.to_le_bytes());
        out.extend_from_slice(&(payload.len() as u32).to_le_bytes());
        out.extend_from_slice(&(key.len() as u32).to_le_bytes());
        out.extend_from_slice(&stamps.count.to_le_bytes());
        out.extend_from_slice(key.as_bytes());
        out.extend_from_slice(&stamps.bytes);
        out.extend_from_slice(body);
        out
    }

    /// Reads what was stored under `key`. `limit` bounds the payload in bytes.
    pub(crate) fn read(bytes: &'a [u8], key: &str, limit: usize) -> Result<Self, Unreadable> {
        let mut reader = Reader(bytes);
        if reader.take(2)? != MAGIC {
            return Err(Unreadable::Foreign);
        }
        let format = reader.u8()?;
        if format != VERSION {
            return Err(Unreadable::Version(format));
        }
        let flags = reader.u8()?;
        if flags == EMPTY {
            return Err(Unreadable::Leased);
        }
        let codec = reader.u8()?;
        if !matches!(codec, JSON | RESPONSE) || flags & !(COMPRESSED | ABSENT) != 0 {
            return Err(Unreadable::Foreign);
        }
        let version = reader.u32()?;
        let (fresh_until, serve_until) = (reader.u64()?, reader.u64()?);
        let (token, lease_until) = (reader.u64()?, reader.u64()?);
        let failed = reader.u8()? == FAILED;
        let _terms = reader.u64()?;
        let (born, shape, origin) = (reader.u64()?, reader.u64()?, reader.u64()?);
        let length = reader.u32()? as usize;
        let key_length = reader.u32()? as usize;
        let count = reader.u16()?;
        if reader.take(key_length)? != key.as_bytes() {
            return Err(Unreadable::OtherKey);
        }
        let generations = reader.stamps(count)?;
        let body = reader.0;
        let payload = if flags & ABSENT != 0 {
            if flags & COMPRESSED != 0 || length != 0 || !body.is_empty() {
                return Err(Unreadable::Foreign);
            }
            None
        } else if flags & COMPRESSED != 0 {
            if length > limit {
                return Err(Unreadable::Compression);
            }
            Some(Cow::Owned(decompress(body, length)?))
        } else if body.len() == length {
            Some(Cow::Borrowed(body))
        } else {
            return Err(Unreadable::Foreign);
        };
        Ok(Self {
            version,
            codec,
            born,
            fresh_until,
            serve_until,
            token,
            retry_at: if failed { lease_until } else { 0 },
            shape,
            origin,
            generations,
            payload,
        })
    }
}

/// What stands before the token of a lease without an entry.
pub(crate) fn empty_head() -> [u8; BEFORE_TOKEN] {
    let mut head = [0; BEFORE_TOKEN];
    head[..2].copy_from_slice(&MAGIC);
    head[2] = VERSION;
    head[3] = EMPTY;
    head
}

/// The head of what was seen under a key, by which one can tell whether it is still the same; less of bytes that are shorter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    bytes: [u8; HEAD],
    length: usize,
}

impl Seen {
    /// Of nothing.
    pub(crate) const EMPTY: Self = Self {
        bytes: [0; HEAD],
        length: 0,
    };

    pub(crate) fn of(bytes: &[u8]) -> Self {
        let mut seen = Self::EMPTY;
        for (place, byte) in seen.bytes.iter_mut().zip(bytes) {
            *place = *byte;
        }
        seen.length = bytes.len().min(HEAD);
        seen
    }
}

impl std::ops::Deref for Seen {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// Whether the first bytes under a key say that a load runs for an entry that is not there yet.
pub(crate) fn is_lease(first: &[u8]) -> bool {
    is_entry(first) && first.get(3) == Some(&EMPTY)
}

/// Whether the first bytes under a key are those of an entry, or of a lease, of this version of the format.
pub(crate) fn is_entry(first: &[u8]) -> bool {
    first.starts_with(&[MAGIC[0], MAGIC[1], VERSION])
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Unreadable> {
        let (head, rest) = self.0.split_at_checked(length).ok_or(Unreadable::Foreign)?;
        self.0 = rest;
        Ok(head)
    }

    fn stamp(&mut self) -> Result<(&'a [u8], u64), Unreadable> {
        let length = usize::from(self.u16()?);
        Ok((self.take(length)?, self.u64()?))
    }

    /// So many stamps, which are seen to be there.
    fn stamps(&mut self, count: u16) -> Result<Stamps<'a>, Unreadable> {
        let mut after = Reader(self.0);
        for _ in 0..count {
            after.stamp()?;
        }
        let bytes = self.take(self.0.len() - after.0.len())?;
        Ok(Stamps {
            count,
            bytes: Cow::Borrowed(bytes),
        })
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Unreadable> {
        self.take(N)?.try_into().map_err(|_| Unreadable::Foreign)
    }

    fn u8(&mut self) -> Result<u8, Unreadable> {
        self.array().map(u8::from_le_bytes)
    }

    fn u16(&mut self) -> Result<u16, Unreadable> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32, Unreadable> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, Unreadable> {
        self.array().map(u64::from_le_bytes)
    }
}

/// The compressed payload, when that is wanted and smaller.
#[cfg(feature = "compression")]
fn compress(payload: &[u8], threshold: usize) -> Option<Vec<u8>> {
    if threshold == 0 || payload.len() < threshold {
        return None;
    }
    let compressed = lz4_flex::block::compress(payload);
    (compressed.len() < payload.len()).then_some(compressed)
}

#[cfg(not(feature = "compression"))]
fn compress(_: &[u8], _: usize) -> Option<Vec<u8>> {
    None
}

#[cfg(feature = "compression")]
fn decompress(body: &[u8], length: usize) -> Result<Vec<u8>, Unreadable> {
    // One byte of LZ4 stands for 255 at most, so a small body cannot claim a large buffer.
    if length > body.len().saturating_mul(255) {
        return Err(Unreadable::Compression);
    }
    let mut out = vec![0; length];
    match lz4_flex::block::decompress_into(body, &mut out) {
        Ok(written) if written == length => Ok(out),
        _ => Err(Unreadable::Compression),
    }
}

#[cfg(not(feature = "compression"))]
fn decompress(_: &[u8], _: usize) -> Result<Vec<u8>, Unreadable> {
    Err(Unreadable::Compression)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stored(payload: Option<Vec<u8>>) -> Stored<'static> {
        Stored {
            version: 3,
            codec: JSON,
            born: 5,
            fresh_until: 7,
            serve_until: 9,
            token: 0x1234,
            retry_at: 0,
            shape: 0x5678,
            origin: 0x9a,
            generations: [("tag:a", 42)].into_iter().collect(),
            payload: payload.map(Cow::Owned),
        }
    }

    #[test]
    fn an_entry_is_served_to_the_key_it_was_written_for_alone() {
        let bytes = stored(Some(b"1".to_vec())).write("lead:1", 0);
        assert_eq!(Stored::read(&bytes, "lead:2", 100), Err(Unreadable::OtherKey));
        assert_eq!(
            Stored::read(&bytes, "lead:1", 100),
            Ok(stored(Some(b"1".to_vec())))
        );
    }

    #[test]
    fn f1_the_bytes_of_each_format_version_stay_as_they_are() {
        let bytes = stored(Some(b"{}".to_vec())).write("k", 0);
        let golden = [
            "cac1 02 00 01 03000000 0700000000000000 0900000000000000",
            "3412000000000000 0000000000000000 00 0000000000000000",
            "0500000000000000 7856000000000000 9a00000000000000 02000000 01000000 0100 6b",
            "0500 7461673a61 2a00000000000000 7b7d",
        ]
        .concat()
        .replace(' ', "");
        assert_eq!(hex::encode(&bytes), golden);
        // Version 1 had no token and no shape.
        let first = "cac10100010300000007000000000000000900000000000000\
                     020000000100000001006b05007461673a612a000000000000007b7d";
        let first = hex::decode(first).unwrap();
        assert_eq!(Stored::read(&first, "k", 100), Err(Unreadable::Version(1)));
    }

    #[test]
    fn s2_a_lease_without_an_entry_is_no_fault() {
        let mut bytes = empty_head().to_vec();
        bytes.extend_from_slice(&[7; HEAD - BEFORE_TOKEN]);
        assert_eq!(Stored::read(&bytes, "k", 100), Err(Unreadable::Leased));
    }

    #[test]
    fn f3_an_entry_that_is_absent_and_has_a_value_is_none() {
        let mut bytes = stored(Some(b"1".to_vec())).write("k", 0);
        bytes[3] |= ABSENT;
        assert_eq!(Stored::read(&bytes, "k", 100), Err(Unreadable::Foreign));
    }

    #[test]
    fn f1_an_entry_of_an_unknown_codec_is_none() {
        let mut bytes = stored(Some(b"1".to_vec())).write("k", 0);
        bytes[4] = RESPONSE + 1;
        assert_eq!(Stored::read(&bytes, "k", 100), Err(Unreadable::Foreign));
    }

    #[test]
    fn f3_an_entry_longer_than_it_says_is_none() {
        let mut bytes = stored(Some(b"1".to_vec())).write("k", 0);
        bytes.push(b' ');
        assert_eq!(Stored::read(&bytes, "k", 100), Err(Unreadable::Foreign));
    }

    #[cfg(feature = "compression")]
    #[test]
    fn f2_a_short_body_gets_no_long_buffer() {
        // A buffer of this length cannot be had.
        assert_eq!(decompress(&[0; 10], usize::MAX), Err(Unreadable::Compression));
    }

    #[test]
    fn t1_an_entry_knows_when_its_function_may_be_tried_again() {
        let entry = Stored {
            retry_at: 99,
            ..stored(None)
        };
        assert_eq!(Stored::read(&entry.write("k", 0), "k", 100), Ok(entry));
    }

    #[cfg(feature = "compression")]
    #[test]
    fn f2_a_body_that_claims_more_than_the_limit_is_refused() {
        let mut bytes = stored(Some(vec![b'a'; 5000])).write("k", 1024);
        assert!(bytes.len() < 250);
        assert_eq!(Stored::read(&bytes, "k", 4999), Err(Unreadable::Compression));
        bytes[74..78].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(
            Stored::read(&bytes, "k", usize::MAX),
            Err(Unreadable::Compression)
        );
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(payload in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..3000)),
                                    key in ".{0,40}", threshold in 0usize..2000) {
            let entry = stored(payload);
            let bytes = entry.write(&key, threshold);
            prop_assert_eq!(Stored::read(&bytes, &key, 10_000), Ok(entry));
        }

        #[test]
        fn f3_arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), header in any::<bool>()) {
            let mut bytes = bytes;
            if header && bytes.len() > 5 {
                bytes[..3].copy_from_slice(&[0xCA, 0xC1, 2]);
                bytes[3] &= 7;
                bytes[4] = 1;
            }
            let _ = Stored::read(&bytes, "k", 1000);
        }
    }
}
