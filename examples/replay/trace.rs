//! Reads a trace file into the keys that were asked for, in their order. It is read whole before it is replayed, so
//! that a replay measures the cache and not the file.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::ops::Range;
use std::path::Path;

use anyhow::{Context, bail};
use lzma_rust2::XzReader;
use ruzstd::decoding::StreamingDecoder;

/// The requests of a trace, as ranges of neighbouring keys, which is how some traces are recorded.
pub struct Trace(Vec<Range<u64>>);

impl Trace {
    /// Reads a file. Its name tells its format.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let (format, compression) = match name.strip_suffix(".xz").or_else(|| name.strip_suffix(".zst")) {
            Some(inner) => (inner, &name[inner.len()..]),
            None => (&*name, ""),
        };
        let parse = if format.ends_with(".trace") {
            parse_keys
        } else if format.ends_with(".lis") {
            parse_lines
        } else {
            bail!("the name ends in no known format; known are `.trace` and `.lis`, also with `.xz` or `.zst` behind");
        };
        let file = File::open(path)?;
        let bytes: Box<dyn Read> = match compression {
            ".xz" => Box::new(XzReader::new(file, true)),
            ".zst" => Box::new(StreamingDecoder::new(file).context("this is not zstd, or it is cut short")?),
            _ => Box::new(file),
        };
        parse(&mut BufReader::new(bytes)).map(Self)
    }

    /// How many requests there are.
    pub fn len(&self) -> u64 {
        self.0.iter().map(|keys| keys.end - keys.start).sum()
    }

    /// The keys, one for each request.
    pub fn keys(&self) -> impl Iterator<Item = u64> {
        self.0.iter().cloned().flatten()
    }
}

/// Big-endian 32-bit keys.
fn parse_keys(bytes: &mut dyn BufRead) -> anyhow::Result<Vec<Range<u64>>> {
    let mut content = Vec::new();
    bytes.read_to_end(&mut content).context(UNREADABLE)?;
    let (keys, rest) = content.as_chunks::<4>();
    if !rest.is_empty() {
        bail!("the file is cut short: {} bytes remain after {} keys of 4 bytes", rest.len(), keys.len());
    }
    Ok(keys.iter().map(|key| u64::from(u32::from_be_bytes(*key))).map(|key| key..key + 1).collect())
}

/// Lines `first count ignored request`.
fn parse_lines(bytes: &mut dyn BufRead) -> anyhow::Result<Vec<Range<u64>>> {
    let lines: Vec<String> = bytes.lines().collect::<io::Result<_>>().context(UNREADABLE)?;
    let parse = |(index, line): (usize, &String)| {
        parse_line(line).with_context(|| {
            format!("line {} is `{line}`; it takes four numbers, `first count ignored request`", index + 1)
        })
    };
    lines.iter().enumerate().map(parse).collect()
}

fn parse_line(line: &str) -> Option<Range<u64>> {
    let numbers: Vec<u64> = line.split_whitespace().map(str::parse).collect::<Result<_, _>>().ok()?;
    let &[first, count, _, _] = numbers.as_slice() else { return None };
    Some(first..first.checked_add(count)?)
}

const UNREADABLE: &str = "the file is damaged or cut short";
