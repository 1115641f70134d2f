//! Deletions by pattern: the keys of each server are looked through page by page. It is slow by nature, and nothing that a
//! function of a user waits for needs it. Invariant: what matched when it began is gone when it ends well, also on a
//! cluster whose slots are on their way.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;

use super::link::accepted;
use super::node::{Lane, Node};
use super::script::{self, Step};
use super::{RedisTier, parse};
use crate::remote::{Budget, Unavailable};
use crate::{glob, key};

/// The pattern of a clear, which takes what is no entry along.
pub(crate) const EVERYTHING: &str = "**";
/// Keys that one page of a scan looks at.
const PAGE: usize = 1000;

impl RedisTier {
    /// Deletes what matches under the prefix. `page` bounds the wait for each reply; `seen` is told each key.
    pub(crate) async fn delete_matching(
        &self,
        prefix: &str,
        pattern: &str,
        page: Duration,
        seen: &mut (dyn FnMut(&str) + Send),
    ) -> Result<u64, Unavailable> {
        let literal = glob::literal_prefix(pattern);
        let kept = floor_char_boundary(&literal, 256);
        // A pattern that only ends in a star finds shortened keys by itself. For others they are looked through here.
        let simple = kept.len() == literal.len() && pattern == format!("{}*", glob::escape(&literal));
        let wanted = if simple {
            pattern.to_owned()
        } else {
            format!("{}*", glob::escape(kept))
        };
        let wanted = Wanted {
            prefix,
            pattern,
            scanned: format!("{}{wanted}", glob::escape(prefix)),
            simple,
            page,
        };
        let seen = Mutex::new(seen);
        let mut deleted = self.delete_everywhere(&wanted, &seen).await?;
        // A key that was on its way was maybe looked for where it was not any more, and where it was not yet. Now it has come.
        if self.nodes.move_slots(page).await? {
            deleted += self.delete_everywhere(&wanted, &seen).await?;
        }
        Ok(deleted)
    }

    /// Each server has keys of its own. One that does not answer keeps none of the others from being emptied.
    async fn delete_everywhere(
        &self,
        wanted: &Wanted<'_>,
        seen: &Mutex<&mut (dyn FnMut(&str) + Send)>,
    ) -> Result<u64, Unavailable> {
        let nodes = self.nodes.all();
        let scans = nodes.iter().map(|node| self.delete_on(node, wanted, seen));
        let mut deleted = 0;
        let mut result = if nodes.is_empty() {
            Err(Unavailable)
        } else {
            Ok(())
        };
        for scan in join_all(scans).await {
            match scan {
                Ok(count) => deleted += count,
                Err(Unavailable) => result = Err(Unavailable),
            }
        }
        result.map(|()| deleted)
    }

    /// Deletes what is wanted of the keys of one server, page by page.
    async fn delete_on(
        &self,
        node: &Node,
        wanted: &Wanted<'_>,
        seen: &Mutex<&mut (dyn FnMut(&str) + Send)>,
    ) -> Result<u64, Unavailable> {
        let mut deleted = 0;
        let mut cursor = 0u64;
        let mut page = wanted.page;
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(cursor)
                .arg("MATCH")
                .arg(&wanted.scanned)
                .arg("COUNT")
                .arg(PAGE);
            let reply = node.lane(Lane::Bulk).ask(&scan, &mut Budget::new(page)).await?;
            let (next, keys): (u64, Vec<Vec<u8>>) = parse(accepted(reply)?)?;
            let mut meant = Vec::new();
            for full in keys {
                let Some(key) = full.get(wanted.prefix.len()..).map(String::from_utf8_lossy) else {
                    continue;
                };
                if wanted.takes(&full, &key) {
                    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                    seen(&key);
                    drop(seen);
                    meant.push(full);
                }
            }
            if !meant.is_empty() {
                deleted += self.unlink(meant, page).await?;
            }
            if next == 0 {
                return Ok(deleted);
            }
            cursor = next;
            // A server that has answered is there, though it may be busy with other things for a while.
            page = page.max(Duration::from_secs(1));
        }
    }

    /// Deletes keys that a scan has found, wherever they are by then.
    async fn unlink(&self, keys: Vec<Vec<u8>>, limit: Duration) -> Result<u64, Unavailable> {
        let step = |keys: Vec<Vec<u8>>| Step::Script {
            code: &script::UNLINK,
            keys,
            arguments: Vec::new(),
        };
        let steps: Vec<Step> = if self.nodes.are_many() {
            keys.into_iter().map(|key| step(vec![key])).collect()
        } else {
            vec![step(keys)]
        };
        let replies = self.nodes.run(&steps, Lane::Bulk, &mut Budget::new(limit)).await;
        replies
            .into_iter()
            .try_fold(0, |deleted, reply| Ok(deleted + parse::<u64>(reply?)?))
    }
}

/// What a scan looks for.
struct Wanted<'a> {
    prefix: &'a str,
    pattern: &'a str,
    /// The pattern for the server, which finds all that is meant and maybe more.
    scanned: String,
    /// Whether it finds nothing more.
    simple: bool,
    /// The wait for each reply.
    page: Duration,
}

impl Wanted<'_> {
    fn takes(&self, full: &[u8], key: &str) -> bool {
        if self.pattern != EVERYTHING && is_internal(key) {
            return false;
        }
        let own = full.get(self.prefix.len()..).unwrap_or_default();
        self.simple || glob::matches(self.pattern.as_bytes(), own) || key::is_shortened(key)
    }
}

fn floor_char_boundary(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Whether a key is one of ours that is no entry.
fn is_internal(key: &str) -> bool {
    ["%tag:", "%ns:", "%of:"].iter().any(|kind| key.starts_with(kind)) || key == "%popular_searches"
}
