//! The Redis tier: entries as plain strings, one command for each thing that is asked.
//! Invariant: a read is one `GET`; nothing uses `KEYS`; deletions by pattern go page by page.

mod channel;
mod gather;
mod link;
mod script;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use redis::{FromRedisValue, Value};

pub(crate) use channel::{Channel, Ears, Message};
pub(crate) use link::{Link, ServerFacts};

use super::guard::{Aim, Claim, Claimed, End, TOLD};
use super::{Budget, News, Unavailable};
use crate::config::RedisConfig;
use crate::config::duration::millis;
use crate::{CacheError, glob, key};
use script::Step;

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

impl RedisTier {
    pub(crate) fn new(config: RedisConfig, prefix: &str, degraded_ttl: Duration) -> Result<Self, CacheError> {
        let channel = Arc::new(Channel::new(prefix, degraded_ttl));
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
        self.channel.message(news, self.link.is_up())
    }

    pub(crate) fn now(&self) -> u64 {
        self.link.now()
    }

    pub(crate) async fn get(&self, key: &str, budget: &mut Budget) -> Result<Option<Vec<u8>>, Unavailable> {
        self.link.read(key, budget).await.map(bytes)
    }

    /// Reads a key, and the nonces of generations in the same round trip.
    pub(crate) async fn get_and_learn(
        &self,
        key: &str,
        generations: &[(String, u64)],
        life: Duration,
        budget: &mut Budget,
    ) -> Result<(Option<Vec<u8>>, Vec<u64>), Unavailable> {
        let mut get = redis::cmd("GET");
        get.arg(key);
        let mut steps = vec![Step::Command(get)];
        steps.extend(learn(generations, life));
        let mut replies = self.link.run(&steps, budget).await?.into_iter();
        let entry = bytes(replies.next().ok_or(Unavailable)?);
        Ok((entry, nonces(replies)?))
    }

    /// The nonces of generations; those that are not there are made.
    pub(crate) async fn learn(
        &self,
        generations: &[(String, u64)],
        life: Duration,
        budget: &mut Budget,
    ) -> Result<Vec<u64>, Unavailable> {
        let steps: Vec<Step> = learn(generations, life).collect();
        nonces(self.link.run(&steps, budget).await?.into_iter())
    }

    /// Stores a value over whatever is there, and tells the other processes.
    pub(crate) async fn put(
        &self,
        key: &str,
        value: &[u8],
        ttl: Duration,
        message: &Message,
        budget: &mut Budget,
    ) -> Result<(), Unavailable> {
        let step = self.put_step(key, value, ttl, message);
        self.link.run(&[step], budget).await.map(drop)
    }

    fn put_step(&self, key: &str, value: &[u8], ttl: Duration, message: &Message) -> Step {
        let (ttl, message) = (millis(ttl).to_string(), message.write());
        let channel = self.channel.name.as_bytes();
        Step::script(
            &script::PUT,
            key,
            [value, ttl.as_bytes(), channel, message.as_bytes()],
        )
    }

    /// Claims a key for a load.
    pub(crate) async fn claim(
        &self,
        key: &str,
        claim: &Claim,
        budget: &mut Budget,
    ) -> Result<Claimed, Unavailable> {
        let lease = millis(claim.lease).to_string();
        let aim: &[u8] = match claim.aim {
            Aim::Fill => b"fill",
            Aim::Refresh => b"refresh",
            Aim::Replace => b"replace",
        };
        let step = Step::script(
            &script::CLAIM,
            key,
            [
                &claim.token.to_le_bytes(),
                lease.as_bytes(),
                aim,
                &claim.seen,
                &claim.waited.to_le_bytes(),
                &claim.terms.to_le_bytes(),
                &crate::entry::empty_head(),
            ],
        );
        let reply = self.link.run(&[step], budget).await?;
        let mut parts: Vec<Value> = parse(reply.into_iter().next().ok_or(Unavailable)?)?;
        let mut parts = parts.drain(..);
        let answer: u8 = parse(parts.next().ok_or(Unavailable)?)?;
        Ok(match answer {
            1 => Claimed::Granted,
            2 => Claimed::Found(parts.next().and_then(bytes).ok_or(Unavailable)?),
            3 => Claimed::Failed,
            _ => {
                let by = parts.next().and_then(bytes).ok_or(Unavailable)?;
                let left: u64 = parse(parts.next().ok_or(Unavailable)?)?;
                Claimed::Held {
                    by: u64::from_le_bytes(by.try_into().map_err(|_| Unavailable)?),
                    left: Duration::from_millis(left),
                }
            }
        })
    }

    /// Stores the result of a load, if its claim still stands.
    pub(crate) async fn commit(
        &self,
        key: &str,
        token: u64,
        value: &[u8],
        ttl: Duration,
        message: &Message,
        budget: &mut Budget,
    ) -> Result<bool, Unavailable> {
        let (ttl, message) = (millis(ttl).to_string(), message.write());
        let step = Step::script(
            &script::COMMIT,
            key,
            [
                &token.to_le_bytes(),
                value,
                ttl.as_bytes(),
                self.channel.name.as_bytes(),
                message.as_bytes(),
            ],
        );
        let reply = self.link.run(&[step], budget).await?;
        parse(reply.into_iter().next().ok_or(Unavailable)?)
    }

    /// A sign of life of the load that holds a key.
    pub(crate) async fn renew(
        &self,
        key: &str,
        token: u64,
        lease: Duration,
        budget: &mut Budget,
    ) -> Result<(), Unavailable> {
        let lease = millis(lease).to_string();
        let step = Step::script(&script::RENEW, key, [&token.to_le_bytes(), lease.as_bytes()]);
        self.link.run(&[step], budget).await.map(drop)
    }

    /// Removes bytes that are of no use, if they are still the ones whose head was seen.
    pub(crate) async fn discard(
        &self,
        key: &str,
        seen: &[u8],
        budget: &mut Budget,
    ) -> Result<(), Unavailable> {
        let step = Step::script(&script::DISCARD, key, [seen]);
        self.link.run(&[step], budget).await.map(drop)
    }

    /// Gives a claim back.
    pub(crate) async fn release(
        &self,
        key: &str,
        token: u64,
        end: End,
        message: &Message,
        budget: &mut Budget,
    ) -> Result<(), Unavailable> {
        let message = message.write();
        let (failed, throttle) = match end {
            End::Dropped => ("0", 0),
            End::Failed { throttle } => ("1", millis(throttle)),
        };
        let (throttle, told) = (throttle.to_string(), millis(TOLD).to_string());
        let step = Step::script(
            &script::RELEASE,
            key,
            [
                &token.to_le_bytes(),
                failed.as_bytes(),
                throttle.as_bytes(),
                told.as_bytes(),
                self.channel.name.as_bytes(),
                message.as_bytes(),
            ],
        );
        self.link.run(&[step], budget).await.map(drop)
    }

    /// Deletes a key and tells the other processes, in one step. Gives whether there was an entry.
    pub(crate) async fn invalidate(
        &self,
        key: &str,
        message: &Message,
        budget: &mut Budget,
    ) -> Result<bool, Unavailable> {
        let message = message.write();
        let step = Step::script(
            &script::PUBLISHED_DELETE,
            key,
            [self.channel.name.as_bytes(), message.as_bytes()],
        );
        let reply = self.link.run(&[step], budget).await?;
        parse(reply.into_iter().next().ok_or(Unavailable)?)
    }

    /// Replaces the nonces of generations, each together with its message, in one round trip.
    pub(crate) async fn renew_generations(
        &self,
        renewed: &[(String, u64, Message)],
        life: Duration,
        budget: &mut Budget,
    ) -> Result<(), Unavailable> {
        let steps: Vec<Step> = renewed
            .iter()
            .map(|(key, nonce, message)| self.put_step(key, nonce.to_string().as_bytes(), life, message))
            .collect();
        self.link.run(&steps, budget).await.map(drop)
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
        // A user who may not publish is no reason to try again.
        self.link.send_each(&commands, budget).await.map(drop)
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

    /// Stores several values over whatever is there, and tells the other processes.
    pub(crate) async fn put_many(
        &self,
        entries: Vec<(String, Vec<u8>, Duration, News)>,
        budget: &mut Budget,
    ) -> Result<(), Unavailable> {
        let steps: Vec<Step> = entries
            .iter()
            .map(|(key, value, ttl, news)| self.put_step(key, value, *ttl, &self.message(news)))
            .collect();
        self.bulk().run(&steps, budget).await.map(drop)
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
        let mut page = page;
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(&wanted).arg("COUNT").arg(PAGE);
            let reply = self.bulk().send(&scan, &mut Budget::new(page)).await?;
            let (next, keys): (u64, Vec<Vec<u8>>) = parse(reply)?;
            let mut meant = Vec::new();
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
                    meant.push(full);
                }
            }
            if !meant.is_empty() {
                let unlink = Step::Script {
                    code: &script::UNLINK,
                    keys: meant,
                    arguments: Vec::new(),
                };
                let replies = self.bulk().run(&[unlink], &mut Budget::new(page)).await?;
                deleted += parse::<u64>(replies.into_iter().next().ok_or(Unavailable)?)?;
            }
            if next == 0 {
                return Ok(deleted);
            }
            cursor = next;
            // A server that has answered is there, though it may be busy with other things for a while.
            page = page.max(Duration::from_secs(1));
        }
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

fn learn(generations: &[(String, u64)], life: Duration) -> impl Iterator<Item = Step> {
    generations.iter().map(move |(key, fresh)| {
        let (fresh, life) = (fresh.to_string(), millis(life).to_string());
        Step::script(&script::LEARN, key, [fresh.as_bytes(), life.as_bytes()])
    })
}

fn nonces(replies: impl Iterator<Item = Value>) -> Result<Vec<u64>, Unavailable> {
    replies.map(parse).collect()
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
