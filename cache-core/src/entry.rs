//! The bytes of an entry outside of this process: a header that names what it is, then the payload.
//! It knows nothing of types; the codec does. Invariant: reading arbitrary bytes gives an entry or an error, never a
//! panic, and never allocates more than the limit it is given.
//!
//! All numbers are little-endian:
//! `CA C1` magic · format version `u8` · flags `u8` · codec `u8` · version of the function `u32` · fresh until `u64` · served until `u64` (milliseconds
//! since 1970 by the clock of the server) · length of the payload before compression `u32` · length of the key `u32` ·
//! number of generations `u16` · the key · for each generation: length of its name `u16`, the name, its nonce `u64` ·
//! the payload.

const MAGIC: [u8; 2] = [0xCA, 0xC1];
const VERSION: u8 = 1;
const COMPRESSED: u8 = 1;
const ABSENT: u8 = 2;
const JSON: u8 = 1;
const FIXED: usize = 35;

/// An entry, ready to be written or just read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored {
    /// The `version` of the function that loaded it; 0 when it has none.
    pub(crate) version: u32,
    /// When it stops being fresh, in milliseconds since 1970 by the clock of the server.
    pub(crate) fresh_until: u64,
    /// When it may no longer be served at all.
    pub(crate) serve_until: u64,
    /// The generations it was loaded under, by name.
    pub(crate) generations: Vec<(String, u64)>,
    /// The encoded value; nothing for a stored `None`.
    pub(crate) payload: Option<Vec<u8>>,
}

/// Why bytes are no entry for this key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unreadable {
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
            Self::Foreign => f.write_str("the bytes are no cache entry"),
            Self::Version(version) => write!(f, "the entry has format version {version}, this is {VERSION}"),
            Self::OtherKey => f.write_str("the entry was written for another key"),
            Self::Compression => f.write_str("the entry cannot be decompressed within the size limit"),
        }
    }
}

impl Stored {
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
        let names: usize = self.generations.iter().map(|(name, _)| name.len() + 10).sum();
        let mut out = Vec::with_capacity(FIXED + key.len() + names + body.len());
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&[VERSION, flags, JSON]);
        out.extend_from_slice(&self.version.to_le_bytes());
        out.extend_from_slice(&self.fresh_until.to_le_bytes());
        out.extend_from_slice(&self.serve_until.to_le_bytes());
        out.extend_from_slice(&(payload.len() as u32).to_le_bytes());
        out.extend_from_slice(&(key.len() as u32).to_le_bytes());
        out.extend_from_slice(&(self.generations.len() as u16).to_le_bytes());
        out.extend_from_slice(key.as_bytes());
        for (name, nonce) in &self.generations {
            out.extend_from_slice(&(name.len() as u16).to_le_bytes());
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(&nonce.to_le_bytes());
        }
        out.extend_from_slice(body);
        out
    }

    /// Reads what was stored under `key`. `limit` bounds the payload in bytes.
    pub(crate) fn read(mut bytes: Vec<u8>, key: &str, limit: usize) -> Result<Self, Unreadable> {
        let mut reader = Reader(&bytes);
        if reader.take(2)? != MAGIC {
            return Err(Unreadable::Foreign);
        }
        let format = reader.u8()?;
        if format != VERSION {
            return Err(Unreadable::Version(format));
        }
        let flags = reader.u8()?;
        if reader.u8()? != JSON || flags & !(COMPRESSED | ABSENT) != 0 {
            return Err(Unreadable::Foreign);
        }
        let version = reader.u32()?;
        let (fresh_until, serve_until) = (reader.u64()?, reader.u64()?);
        let length = reader.u32()? as usize;
        let key_length = reader.u32()? as usize;
        let count = reader.u16()?;
        if reader.take(key_length)? != key.as_bytes() {
            return Err(Unreadable::OtherKey);
        }
        let mut generations = Vec::new();
        for _ in 0..count {
            let name_length = usize::from(reader.u16()?);
            let name =
                String::from_utf8(reader.take(name_length)?.to_vec()).map_err(|_| Unreadable::Foreign)?;
            generations.push((name, reader.u64()?));
        }
        let body = reader.0.len();
        let payload = if flags & ABSENT != 0 {
            None
        } else if flags & COMPRESSED != 0 {
            if length > limit {
                return Err(Unreadable::Compression);
            }
            Some(decompress(reader.0, length)?)
        } else if body == length {
            // The reply's own buffer becomes the payload.
            let start = bytes.len() - body;
            bytes.drain(..start);
            Some(bytes)
        } else {
            return Err(Unreadable::Foreign);
        };
        Ok(Self {
            version,
            fresh_until,
            serve_until,
            generations,
            payload,
        })
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Unreadable> {
        let (head, rest) = self.0.split_at_checked(length).ok_or(Unreadable::Foreign)?;
        self.0 = rest;
        Ok(head)
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

    fn stored(payload: Option<Vec<u8>>) -> Stored {
        Stored {
            version: 3,
            fresh_until: 7,
            serve_until: 9,
            generations: vec![("tag:a".into(), 42)],
            payload,
        }
    }

    #[test]
    fn an_entry_is_served_to_the_key_it_was_written_for_alone() {
        let bytes = stored(Some(b"1".to_vec())).write("lead:1", 0);
        assert_eq!(
            Stored::read(bytes.clone(), "lead:2", 100),
            Err(Unreadable::OtherKey)
        );
        assert_eq!(
            Stored::read(bytes, "lead:1", 100),
            Ok(stored(Some(b"1".to_vec())))
        );
    }

    #[test]
    fn the_bytes_of_version_one_stay_as_they_are() {
        let bytes = stored(Some(b"{}".to_vec())).write("k", 0);
        let golden = "cac10100010300000007000000000000000900000000000000\
                      020000000100000001006b05007461673a612a000000000000007b7d";
        assert_eq!(hex::encode(&bytes), golden);
    }

    #[cfg(feature = "compression")]
    #[test]
    fn f2_a_body_that_claims_more_than_the_limit_is_refused() {
        let mut bytes = stored(Some(vec![b'a'; 5000])).write("k", 1024);
        assert!(bytes.len() < 200);
        assert_eq!(
            Stored::read(bytes.clone(), "k", 4999),
            Err(Unreadable::Compression)
        );
        bytes[25..29].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(Stored::read(bytes, "k", usize::MAX), Err(Unreadable::Compression));
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(payload in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..3000)),
                                    key in ".{0,40}", threshold in 0usize..2000) {
            let entry = stored(payload);
            prop_assert_eq!(Stored::read(entry.write(&key, threshold), &key, 10_000), Ok(entry));
        }

        #[test]
        fn f3_arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), header in any::<bool>()) {
            let mut bytes = bytes;
            if header && bytes.len() > 5 {
                bytes[..3].copy_from_slice(&[0xCA, 0xC1, 1]);
                bytes[3] &= 3;
                bytes[4] = 1;
            }
            let _ = Stored::read(bytes, "k", 1000);
        }
    }
}
