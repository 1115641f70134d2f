//! The Redis tier: entries as plain strings, one command for each thing that is asked.
//! Invariant: a read is one `GET`; nothing uses `KEYS`; deletions by pattern go page by page.

mod channel;
mod link;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use redis::{Cmd, FromRedisValue, Value};

pub(crate) use channel::{Channel, Ears, Message};
pub(crate) use link::{Link, ServerFacts};

use super::{Budget, News, Unavailable};
use crate::config::RedisConfig;
use crate::config::duration::millis;
use crate::{CacheError, glob, key};

/// The pattern of a clear, which takes what is no entry along.
pub(crate) const EVERYTHING: &str = "**";
/// Keys that one page of a scan looks at.
const PAGE: usize = 1000;

#[derive(Debug)]
pub(crate) struct RedisTier {
    link: Arc<Link>,
    /// A second connection for scans and batches, where two are allowed: they would hold up single reads.
    bulk: OnceLock<Arc<Link>>,
    /// The connection of `link` that `bulk` was last used beside.
    beside: AtomicU64,
    config: RedisConfig,
    pub(crate) channel: Arc<Channel>,
}

fn parse<T: FromRedisValue>(value: Value) -> Result<T, Unavailable> {
    T::from_redis_value(value).map_err(|_| Unavailable)
}

/// A reply that is bytes; anything else under the key is nobody's entry.
fn bytes(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        Value::SimpleString(text) => Some(text.into_bytes()),
        _ => None,
    }
}

fn set_command(key: &str, value: &[u8], ttl: Duration) -> Cmd {
    let mut command = redis::cmd("SET");
    command.arg(key).arg(value).arg("PX").arg(millis(ttl));
    command
}

impl RedisTier {
    pub(crate) fn new(config: RedisConfig, prefix: &str) -> Result<Self, CacheError> {
        let channel = Arc::new(Channel::new(prefix));
        Ok(Self {
            link: Link::new(&config)?,
            bulk: OnceLock::new(),
            beside: AtomicU64::new(0),
            config,
            channel,
        })
    }

    pub(crate) fn link(&self) -> &Arc<Link> {
        &self.link
    }

    fn bulk(&self) -> &Arc<Link> {
        let Some(epoch) = self.link.epoch().filter(|_| self.config.max_connections > 1) else {
            return &self.link;
        };
        let bulk = self
            .bulk
            .get_or_init(|| Link::new(&self.config).unwrap_or_else(|_| Arc::clone(&self.link)));
        // What took the first connection away has most likely taken this one too, though nobody has noticed.
        if self.beside.swap(epoch, Ordering::Relaxed) != epoch && !Arc::ptr_eq(bulk, &self.link) {
            bulk.restart();
        }
        bulk
    }

    pub(crate) fn message(&self, news: &News) -> Message {
        Message {
            sender: self.channel.sender,
            kind: news.kind,
            name: news.name.clone(),
        }
    }

    pub(crate) fn now(&self) -> u64 {
        self.link.now()
    }

    pub(crate) async fn get(&self, key: &str, budget: &mut Budget) -> Result<Option<Vec<u8>>, Unavailable> {
        self.link
            .send(redis::cmd("GET").arg(key), budget)
            .await
            .map(bytes)
    }

    pub(crate) async fn set(
        &self,
        key: &str,
        value: Vec<u8>,
        ttl: Duration,
        budget: &mut Budget,
    ) -> Result<(), Unavailable> {
        self.link
            .send(&set_command(key, &value, ttl), budget)
            .await
            .map(drop)
    }

    /// Deletes a key and tells the other processes, in one go.
    pub(crate) async fn invalidate(
        &self,
        key: &str,
        message: &Message,
        budget: &mut Budget,
    ) -> Result<bool, Unavailable> {
        let mut commands = redis::pipe();
        commands.cmd("DEL").arg(key);
        commands
            .cmd("PUBLISH")
            .arg(&self.channel.name)
            .arg(message.write());
        let mut replies = self.link.send_all(&commands, budget).await?.into_iter();
        parse(replies.next().ok_or(Unavailable)?)
    }

    /// Tells the other processes.
    pub(crate) async fn announce(
        &self,
        messages: &[Message],
        budget: &mut Budget,
    ) -> Result<(), Unavailable> {
        let mut commands = redis::pipe();
        for message in messages {
            commands
                .cmd("PUBLISH")
                .arg(&self.channel.name)
                .arg(message.write());
        }
        self.link.send_all(&commands, budget).await.map(drop)
    }

    pub(crate) async fn exists(&self, key: &str, budget: &mut Budget) -> Result<bool, Unavailable> {
        parse(self.link.send(redis::cmd("EXISTS").arg(key), budget).await?)
    }

    pub(crate) async fn get_many(
        &self,
        keys: Vec<String>,
        budget: &mut Budget,
    ) -> Result<Vec<Option<Vec<u8>>>, Unavailable> {
        let values: Vec<Value> = parse(self.bulk().send(redis::cmd("MGET").arg(keys), budget).await?)?;
        Ok(values.into_iter().map(bytes).collect())
    }

    pub(crate) async fn set_many(
        &self,
        entries: Vec<(String, Vec<u8>, Duration)>,
        budget: &mut Budget,
    ) -> Result<(), Unavailable> {
        let mut commands = redis::pipe();
        for (key, value, ttl) in entries {
            commands.add_command(set_command(&key, &value, ttl));
        }
        self.bulk().send_all(&commands, budget).await.map(drop)
    }

    pub(crate) async fn delete_many(
        &self,
        keys: Vec<String>,
        budget: &mut Budget,
    ) -> Result<u64, Unavailable> {
        parse(self.bulk().send(redis::cmd("UNLINK").arg(keys), budget).await?)
    }

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
        let wanted = format!("{}{wanted}", glob::escape(prefix));
        let mut deleted = 0;
        let mut cursor = 0u64;
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(&wanted).arg("COUNT").arg(PAGE);
            let reply = self.bulk().send(&scan, &mut Budget::new(page)).await?;
            let (next, keys): (u64, Vec<Vec<u8>>) = parse(reply)?;
            let mut unlink = redis::cmd("UNLINK");
            let mut any = false;
            for full in keys {
                let Some(key) = full.get(prefix.len()..).map(String::from_utf8_lossy) else {
                    continue;
                };
                if pattern != EVERYTHING && is_internal(&key) {
                    continue;
                }
                if simple
                    || glob::matches(pattern.as_bytes(), &full[prefix.len()..])
                    || key::is_shortened(&key)
                {
                    seen(&key);
                    unlink.arg(&full);
                    any = true;
                }
            }
            if any {
                deleted += parse::<u64>(self.bulk().send(&unlink, &mut Budget::new(page)).await?)?;
            }
            if next == 0 {
                return Ok(deleted);
            }
            cursor = next;
        }
    }

    /// The nonces of generations; those that are not there are made.
    pub(crate) async fn generations(
        &self,
        keys: &[String],
        fresh: &[u64],
        budget: &mut Budget,
    ) -> Result<Vec<u64>, Unavailable> {
        let found: Vec<Option<u64>> = parse(self.link.send(redis::cmd("MGET").arg(keys), budget).await?)?;
        if found.iter().all(Option::is_some) {
            return Ok(found.into_iter().flatten().collect());
        }
        // Of several processes that make one, the first wins; so it is read back.
        let mut commands = redis::pipe();
        for ((key, nonce), found) in keys.iter().zip(fresh).zip(&found) {
            if found.is_none() {
                commands
                    .cmd("SET")
                    .arg(key)
                    .arg(nonce)
                    .arg("NX")
                    .arg("PX")
                    .arg(GENERATION_LIFE);
            }
        }
        self.link.send_all(&commands, budget).await?;
        let found: Vec<Option<u64>> = parse(self.link.send(redis::cmd("MGET").arg(keys), budget).await?)?;
        if found.len() != keys.len() || found.iter().any(Option::is_none) {
            return Err(Unavailable);
        }
        Ok(found.into_iter().flatten().collect())
    }

    pub(crate) async fn renew_generation(
        &self,
        key: &str,
        nonce: u64,
        budget: &mut Budget,
    ) -> Result<(), Unavailable> {
        let mut command = redis::cmd("SET");
        command.arg(key).arg(nonce).arg("PX").arg(GENERATION_LIFE);
        self.link.send(&command, budget).await.map(drop)
    }

    /// Adds to the scores of members of a sorted set.
    pub(crate) async fn add_scores(
        &self,
        key: &str,
        scores: &[(String, u64)],
        budget: &mut Budget,
    ) -> Result<(), Unavailable> {
        let mut commands = redis::pipe();
        for (member, by) in scores {
            commands.cmd("ZINCRBY").arg(key).arg(by).arg(member);
        }
        self.link.send_all(&commands, budget).await.map(drop)
    }

    /// The members of a sorted set with the highest scores.
    pub(crate) async fn top_scores(
        &self,
        key: &str,
        count: usize,
        budget: &mut Budget,
    ) -> Result<Vec<(String, u64)>, Unavailable> {
        if count == 0 {
            return Ok(Vec::new());
        }
        let mut command = redis::cmd("ZREVRANGE");
        command.arg(key).arg(0).arg(count - 1).arg("WITHSCORES");
        let scores: Vec<(String, f64)> = parse(self.link.send(&command, budget).await?)?;
        #[expect(clippy::cast_sign_loss, reason = "scores are counts")]
        Ok(scores
            .into_iter()
            .map(|(member, score)| (member, score.max(0.0) as u64))
            .collect())
    }

    pub(crate) fn close(&self) {
        self.link.close();
        if let Some(bulk) = self.bulk.get() {
            bulk.close();
        }
    }
}

/// How long the nonce of a generation is kept after its last change, in milliseconds. One that is lost makes misses.
const GENERATION_LIFE: u64 = 30 * 86_400_000;

fn floor_char_boundary(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Whether a key is one of ours that is no entry.
fn is_internal(key: &str) -> bool {
    key.starts_with("%tag:") || key == "%popular_searches"
}
