//! The Redis tier: entries as plain strings, one command for each thing that is asked.
//! Invariant: a read is one `GET`; nothing uses `KEYS`; deletions by pattern go page by page.

mod channel;
mod cluster;
mod connect;
mod gather;
mod link;
mod node;
mod nodes;
mod scan;
mod script;
mod sentinel;
mod slot;
mod tracking;

use std::sync::Arc;
use std::time::Duration;

use redis::{FromRedisValue, Value};

pub(crate) use channel::{Channel, Ears, Message};
pub(crate) use nodes::Nodes;
pub(crate) use scan::EVERYTHING;

use super::guard::{Aim, Claim, Claimed, End, TOLD};
use super::{Budget, News, NodeFacts, Unavailable};
use crate::CacheError;
use crate::config::RedisConfig;
use crate::config::duration::millis;
use node::Lane;
use script::Step;

#[derive(Debug)]
pub(crate) struct RedisTier {
    nodes: Arc<Nodes>,
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

fn on_key(name: &str, key: &str) -> Step {
    let mut command = redis::cmd(name);
    command.arg(key);
    Step::Command {
        key: key.as_bytes().to_vec(),
        command,
    }
}

/// One command about several keys, which are on one server.
fn on_keys(name: &str, keys: &[String]) -> Step {
    let mut command = redis::cmd(name);
    command.arg(keys);
    Step::Command {
        key: Vec::new(),
        command,
    }
}

impl RedisTier {
    pub(crate) fn new(
        config: &RedisConfig,
        prefix: &str,
        degraded_ttl: Duration,
    ) -> Result<Self, CacheError> {
        Ok(Self {
            nodes: Arc::new(Nodes::new(config, prefix)?),
            channel: Arc::new(Channel::new(prefix, degraded_ttl)),
        })
    }

    pub(crate) fn nodes(&self) -> &Arc<Nodes> {
        &self.nodes
    }

    /// The message that tells of something, which goes out from where `key` is.
    fn message(&self, key: &str, news: &News) -> Message {
        self.channel.message(news, self.nodes.is_up_at(key))
    }

    /// The time of the server that has a key.
    pub(crate) fn now(&self, key: impl FnOnce() -> String) -> u64 {
        self.nodes.now(key)
    }

    /// Whether a command about a key would fail at once.
    pub(crate) fn is_gone(&self, key: impl FnOnce() -> String) -> bool {
        self.nodes.is_gone_at(key)
    }

    /// Which runs of which servers these keys are on.
    pub(crate) fn origin(&self, keys: impl Iterator<Item = String>) -> u64 {
        self.nodes.origin(keys)
    }

    /// Waits until the first attempt to connect is over. Fails for what is wrong with the configuration.
    pub(crate) async fn first_attempt(&self) -> Result<(), CacheError> {
        self.nodes.first_attempt().await
    }

    /// What is known about the servers, asked anew, and why not all of them are known.
    pub(crate) async fn health(&self, limit: Duration) -> (Vec<NodeFacts>, Option<String>) {
        self.nodes.health(limit).await
    }

    pub(crate) async fn get(&self, key: String, budget: &mut Budget) -> Result<Option<Vec<u8>>, Unavailable> {
        self.nodes.read(key, budget).await.map(bytes)
    }

    /// Reads a key, and the nonces of generations in the same round trip.
    pub(crate) async fn get_and_learn(
        &self,
        key: &str,
        generations: &[(String, u64)],
        life: Duration,
        budget: &mut Budget,
    ) -> Result<(Option<Vec<u8>>, Vec<u64>), Unavailable> {
        let mut steps = vec![on_key("GET", key)];
        steps.extend(learn(generations, life));
        let mut replies = self.nodes.run(&steps, Lane::Fast, budget).await.into_iter();
        let entry = bytes(replies.next().ok_or(Unavailable)??);
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
        nonces(self.nodes.run(&steps, Lane::Fast, budget).await.into_iter())
    }

    /// Stores a value over whatever is there, and tells the other processes.
    pub(crate) async fn put(
        &self,
        key: &str,
        value: &[u8],
        ttl: Duration,
        news: &News,
        budget: &mut Budget,
    ) -> Result<(), Unavailable> {
        let step = self.put_step(key, value, ttl, news);
        self.nodes.run_one(step, budget).await.map(drop)
    }

    fn put_step(&self, key: &str, value: &[u8], ttl: Duration, news: &News) -> Step {
        let (ttl, message) = (millis(ttl).to_string(), self.message(key, news).write());
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
        let mut parts: Vec<Value> = parse(self.nodes.run_one(step, budget).await?)?;
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
        news: &News,
        budget: &mut Budget,
    ) -> Result<bool, Unavailable> {
        let (ttl, message) = (millis(ttl).to_string(), self.message(key, news).write());
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
        parse(self.nodes.run_one(step, budget).await?)
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
        self.nodes.run_one(step, budget).await.map(drop)
    }

    /// Removes bytes that are of no use, if they are still the ones whose head was seen.
    pub(crate) async fn discard(
        &self,
        key: &str,
        seen: &[u8],
        budget: &mut Budget,
    ) -> Result<(), Unavailable> {
        let step = Step::script(&script::DISCARD, key, [seen]);
        self.nodes.run_one(step, budget).await.map(drop)
    }

    /// Gives a claim back.
    pub(crate) async fn release(
        &self,
        key: &str,
        token: u64,
        end: End,
        news: &News,
        budget: &mut Budget,
    ) -> Result<(), Unavailable> {
        let message = self.message(key, news).write();
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
        self.nodes.run_one(step, budget).await.map(drop)
    }

    /// Deletes a key and tells the other processes, in one step. Gives whether there was an entry.
    pub(crate) async fn invalidate(
        &self,
        key: &str,
        news: &News,
        budget: &mut Budget,
    ) -> Result<bool, Unavailable> {
        let step = self.invalidate_step(key, news);
        parse(self.nodes.run_one(step, budget).await?)
    }

    fn invalidate_step(&self, key: &str, news: &News) -> Step {
        let message = self.message(key, news).write();
        Step::script(
            &script::PUBLISHED_DELETE,
            key,
            [self.channel.name.as_bytes(), message.as_bytes()],
        )
    }

    /// Replaces the nonces of generations, each together with its message, in one round trip.
    pub(crate) async fn renew_generations(
        &self,
        renewed: &[(String, u64, News)],
        life: Duration,
        budget: &mut Budget,
    ) -> Result<(), Unavailable> {
        let steps: Vec<Step> = renewed
            .iter()
            .map(|(key, nonce, news)| self.put_step(key, nonce.to_string().as_bytes(), life, news))
            .collect();
        let replies = self.nodes.run(&steps, Lane::Fast, budget).await;
        replies.into_iter().try_for_each(|reply| reply.map(drop))
    }

    /// Tells the other processes.
    pub(crate) async fn announce(&self, news: &[News], budget: &mut Budget) -> Result<(), Unavailable> {
        let up = self.nodes.is_up();
        let mut commands = redis::pipe();
        for news in news {
            commands
                .cmd("PUBLISH")
                .arg(&self.channel.name)
                .arg(self.channel.message(news, up).write());
        }
        // A user who may not publish is no reason to try again.
        self.nodes.send_anywhere(&commands, budget).await.map(drop)
    }

    pub(crate) async fn exists(&self, key: &str, budget: &mut Budget) -> Result<bool, Unavailable> {
        parse(
            self.nodes
                .send(key, redis::cmd("EXISTS").arg(key), budget)
                .await?,
        )
    }

    /// Reads several keys. One that its server did not give is not there.
    pub(crate) async fn get_many(
        &self,
        keys: Vec<String>,
        budget: &mut Budget,
    ) -> Result<Vec<Option<Vec<u8>>>, Unavailable> {
        if self.nodes.are_many() {
            let steps: Vec<Step> = keys.iter().map(|key| on_key("GET", key)).collect();
            let replies = self.nodes.run(&steps, Lane::Bulk, budget).await;
            return Ok(replies
                .into_iter()
                .map(|reply| reply.ok().and_then(bytes))
                .collect());
        }
        let mut replies = self
            .nodes
            .run(&[on_keys("MGET", &keys)], Lane::Bulk, budget)
            .await;
        let values: Vec<Value> = parse(replies.pop().unwrap_or(Err(Unavailable))?)?;
        Ok(values.into_iter().map(bytes).collect())
    }

    /// Stores several values over whatever is there, and tells the other processes. Gives for each whether it was stored.
    pub(crate) async fn put_many(
        &self,
        entries: Vec<(String, Vec<u8>, Duration, News)>,
        budget: &mut Budget,
    ) -> Vec<Result<(), Unavailable>> {
        let steps: Vec<Step> = entries
            .iter()
            .map(|(key, value, ttl, news)| self.put_step(key, value, *ttl, news))
            .collect();
        let replies = self.nodes.run(&steps, Lane::Bulk, budget).await;
        replies.into_iter().map(|reply| reply.map(drop)).collect()
    }

    /// Deletes several keys and tells the other processes of each. Gives how many were there, and the places of those that
    /// were not deleted, or not told of.
    pub(crate) async fn delete_many(
        &self,
        keys: &[String],
        news: &[News],
        budget: &mut Budget,
    ) -> (u64, Vec<usize>) {
        if self.nodes.are_many() {
            let steps: Vec<Step> = keys
                .iter()
                .zip(news)
                .map(|(key, news)| self.invalidate_step(key, news))
                .collect();
            let (mut deleted, mut left) = (0, Vec::new());
            let replies = self.nodes.run(&steps, Lane::Bulk, budget).await;
            for (index, reply) in replies.into_iter().enumerate() {
                match reply.and_then(parse::<u64>) {
                    Ok(count) => deleted += count,
                    Err(Unavailable) => left.push(index),
                }
            }
            return (deleted, left);
        }
        let all = || (0..keys.len()).collect();
        let mut replies = self
            .nodes
            .run(&[on_keys("UNLINK", keys)], Lane::Bulk, budget)
            .await;
        let deleted = replies.pop().unwrap_or(Err(Unavailable)).and_then(parse::<u64>);
        let told = self.announce(news, budget).await;
        match (deleted, told) {
            (Ok(deleted), Ok(())) => (deleted, Vec::new()),
            (deleted, _) => (deleted.unwrap_or(0), all()),
        }
    }

    /// Adds to the scores of members of a sorted set.
    pub(crate) async fn add_scores(
        &self,
        key: &str,
        scores: &[(String, u64)],
        budget: &mut Budget,
    ) -> Result<(), Unavailable> {
        let step = |(member, by): &(String, u64)| {
            let mut command = redis::cmd("ZINCRBY");
            command.arg(key).arg(by).arg(member);
            let key = key.as_bytes().to_vec();
            Step::Command { key, command }
        };
        let steps: Vec<Step> = scores.iter().map(step).collect();
        let replies = self.nodes.run(&steps, Lane::Fast, budget).await;
        replies.into_iter().try_for_each(|reply| reply.map(drop))
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
        let scores: Vec<(String, f64)> = parse(self.nodes.send(key, &command, budget).await?)?;
        #[expect(clippy::cast_sign_loss, reason = "scores are counts")]
        Ok(scores
            .into_iter()
            .map(|(member, score)| (member, score.max(0.0) as u64))
            .collect())
    }

    pub(crate) fn close(&self) {
        self.nodes.close();
    }
}

fn learn(generations: &[(String, u64)], life: Duration) -> impl Iterator<Item = Step> {
    generations.iter().map(move |(key, fresh)| {
        let (fresh, life) = (fresh.to_string(), millis(life).to_string());
        Step::script(&script::LEARN, key, [fresh.as_bytes(), life.as_bytes()])
    })
}

fn nonces(replies: impl Iterator<Item = Result<Value, Unavailable>>) -> Result<Vec<u64>, Unavailable> {
    replies.map(|reply| parse(reply?)).collect()
}
