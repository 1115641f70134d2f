//! Reads a trace file into the keys that were asked for, in their order. It is read whole before it is replayed, so
//! that a replay measures the cache and not the file.

use std::fs;
use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;

use anyhow::{Context, anyhow, bail};
use lzma_rust2::XzReader;
use ruzstd::decoding::StreamingDecoder;

/// The requests of a trace, as ranges of neighbouring keys, which is how some traces are recorded.
pub struct Trace(Vec<Range<u64>>);

impl Trace {
    /// Reads a file. The end of its name tells its format.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let name = path.to_string_lossy();
        let (xz, zstd) = (name.strip_suffix(".xz"), name.strip_suffix(".zst"));
        let name = xz.or(zstd).unwrap_or(&name);
        let parse = if name.ends_with(".trace") {
            parse_keys
        } else if name.ends_with(".lis") {
            parse_lines
        } else {
            bail!(
                "its name has to end in `.trace` or `.lis`, with `.xz` or `.zst` behind it if it is compressed"
            );
        };
        let file = fs::read(path)?;
        let content = match (xz, zstd) {
            (Some(_), _) => from_xz(&file),
            (_, Some(_)) => from_zstd(&file),
            _ => Ok(file),
        };
        let content = content.map_err(|error| anyhow!("it is damaged or cut short: {error}"))?;
        let trace = Self(parse(&content)?);
        if trace.len() == 0 {
            bail!("it holds no requests");
        }
        Ok(trace)
    }

    /// How many requests there are.
    pub fn len(&self) -> u64 {
        self.0.iter().map(|keys| keys.end - keys.start).sum()
    }

    /// The key of each request.
    pub fn keys(&self) -> impl Iterator<Item = u64> {
        self.0.iter().cloned().flatten()
    }
}

fn from_xz(compressed: &[u8]) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    XzReader::new(compressed, true).read_to_end(&mut content)?;
    Ok(content)
}

/// The decoder reads one frame, and a file may have several.
fn from_zstd(mut compressed: &[u8]) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    while !compressed.is_empty() {
        StreamingDecoder::new(&mut compressed)
            .map_err(io::Error::other)?
            .read_to_end(&mut content)?;
    }
    Ok(content)
}

/// Big-endian 32-bit keys, one after another.
fn parse_keys(content: &[u8]) -> anyhow::Result<Vec<Range<u64>>> {
    let (keys, rest) = content.as_chunks();
    if !rest.is_empty() {
        bail!(
            "it is cut short: after {} keys of 4 bytes there are {} bytes left",
            keys.len(),
            rest.len()
        );
    }
    let keys = keys.iter().map(|key| u64::from(u32::from_be_bytes(*key)));
    Ok(keys.map(|key| key..key + 1).collect())
}

/// Lines `first count ignored request`.
fn parse_lines(content: &[u8]) -> anyhow::Result<Vec<Range<u64>>> {
    let lines = str::from_utf8(content).context("it is no text")?.lines();
    let parse = |(index, line)| {
        parse_line(line).with_context(|| {
            format!(
                "line {} is `{line}`; it takes `first count ignored request`, four numbers",
                index + 1
            )
        })
    };
    (0_usize..).zip(lines).map(parse).collect()
}

fn parse_line(line: &str) -> Option<Range<u64>> {
    let numbers: Vec<u64> = line
        .split_whitespace()
        .map(str::parse)
        .collect::<Result<_, _>>()
        .ok()?;
    let [first, count, _ignored, _request] = numbers[..] else {
        return None;
    };
    // One request for more keys than fit in here is no trace but damage.
    let count = u32::try_from(count).ok()?;
    Some(first..first.checked_add(count.into())?)
}
