//! The model of Redis as one process sees it: a store whose commands take effect some time after they were sent, and
//! whose replies come some time after that. Invariant: a command takes effect once or never, and does so whether or not
//! somebody still waits for its reply.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::setup::Weather;
use super::world::{PREFIX, State, World, raise};
use crate::remote::guard::is_awaited;
use crate::remote::{Answer, BackendError, Change, News, Order, Reply, Store};
use crate::{clock, glob};

/// The connection of one process.
pub(super) struct Redis {
    pub(super) world: Arc<World>,
    pub(super) node: usize,
    pub(super) life: u64,
}

impl std::fmt::Debug for Redis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Redis({})", self.node)
    }
}

/// When a command takes effect, and when its reply comes, or the word that the connection is lost.
struct Plan {
    effect: Instant,
    reply: Instant,
    lost: bool,
}

/// How long it takes until it is known that a reply is lost, in milliseconds.
const LOST: u64 = 500;

impl State {
    fn plan(&mut self, node: usize) -> Result<Plan, BackendError> {
        let now = self.now();
        if now < self.down_until {
            return Err(BackendError::new("down"));
        }
        let slow = self.setup.weather == Weather::Outage;
        let delay = |state: &mut Self| match state.rng.below(100) {
            _ if state.setup.weather == Weather::Herd => 0,
            0..60 => 0,
            60..90 => state.rng.between(1, 4),
            98.. if slow => state.rng.between(40, 200),
            _ => state.rng.between(5, 30),
        };
        let mut effect = now + delay(self);
        if self.setup.in_order {
            effect = effect.max(self.nodes[node].last_effect);
            self.nodes[node].last_effect = effect;
        }
        let reply = effect + delay(self);
        let lost = slow && self.rng.chance(2);
        Ok(Plan {
            effect: self.at(effect),
            reply: self.at(if lost { effect + LOST } else { reply }),
            lost,
        })
    }
}

/// An effect that is still to come.
struct Effect<T, F: FnOnce(&mut State) -> T + Send + 'static> {
    world: Arc<World>,
    at: Instant,
    apply: Option<F>,
}

impl<T, F: FnOnce(&mut State) -> T + Send + 'static> Drop for Effect<T, F> {
    /// Nobody waits any more, but the command is on its way.
    fn drop(&mut self) {
        let Some(apply) = self.apply.take() else { return };
        let mut state = self.world.lock();
        if state.closing || state.rng.chance(10) {
            return;
        }
        drop(state);
        let (world, at) = (Arc::clone(&self.world), self.at);
        tokio::spawn(async move {
            sleep_until(at).await;
            let mut state = world.lock();
            if !state.closing {
                state.say(|_| "redis: an effect comes that nobody waits for".to_owned());
                apply(&mut state);
            }
        });
    }
}

impl Redis {
    fn run<'a, T, F>(&self, apply: F) -> Answer<'a, T>
    where
        T: Send + 'a,
        F: FnOnce(&mut State) -> T + Send + 'static,
    {
        let world = Arc::clone(&self.world);
        let (node, life) = (self.node, self.life);
        let plan = {
            let mut state = world.lock();
            // What is left of a crashed process is never answered.
            if !state.lives(node, life) || state.closing {
                return Box::pin(pending());
            }
            state.plan(node)
        };
        Box::pin(async move {
            let plan = plan?;
            let mut effect = Effect {
                world: Arc::clone(&world),
                at: plan.effect,
                apply: Some(apply),
            };
            if plan.effect > Instant::now() {
                sleep_until(plan.effect).await;
            }
            let Some(apply) = effect.apply.take() else {
                return pending().await;
            };
            let answer = apply(&mut world.lock());
            if plan.reply > Instant::now() {
                sleep_until(plan.reply).await;
            }
            if plan.lost {
                return Err(BackendError::new("the connection is lost"));
            }
            if !world.lock().lives(node, life) {
                return pending().await;
            }
            Ok(answer)
        })
    }
}

impl State {
    fn carry_out(&mut self, node: usize, full: &str, order: &Order, news: Option<&News>) -> Reply {
        let current = self.entry(full);
        let current = current.as_deref();
        let (change, reply) = order.decide(current, clock::wall());
        self.say(|_| format!("n{node} {} {full}: {}", asked(order), answered(&reply)));
        let awaited = match order {
            Order::Commit { token, .. } => reply == Reply::Committed(true) && is_awaited(current, *token),
            Order::Release { token, .. } => is_awaited(current, *token),
            _ => false,
        };
        if let (Order::Commit { value, .. }, Change::Put { .. }) = (order, &change) {
            self.check_stored(full, value);
        }
        self.change(full, change);
        if let Some(news) = news.filter(|_| awaited) {
            self.publish(node, news, [0; super::world::KEYS]);
        }
        reply
    }

    /// What a process that has heard some news may not fall below.
    fn floors_of(&self, news: &News) -> super::world::Floors {
        let mut floors = [0; super::world::KEYS];
        for (index, key) in self.setup.keys.iter().enumerate() {
            let name = news.name.split_once(' ');
            let nonce = name.and_then(|(nonce, _)| self.nonces.get(&nonce.parse().ok()?));
            let meant = match news.kind {
                b'k' => key.text == news.name,
                b'p' => glob::matches(news.name.as_bytes(), key.text.as_bytes()),
                b'a' => true,
                b'g' => name.is_some_and(|(_, name)| key.names.iter().any(|other| other == name)),
                _ => false,
            };
            if meant && news.kind == b'g' {
                floors[index] = nonce.map_or(0, |floors| floors[index]);
            } else if meant {
                floors[index] = self.deleted[index];
            }
        }
        floors
    }

    fn put(&mut self, node: usize, full: &str, value: Vec<u8>, ttl: Duration, news: &News) {
        if let Some(name) = full.strip_prefix('%').and_then(|name| name.strip_prefix(PREFIX)) {
            let nonce = std::str::from_utf8(&value)
                .ok()
                .and_then(|text| text.parse().ok());
            self.renew(name, nonce.unwrap_or(0));
        }
        self.change(full, Change::Put { value, ttl });
        let floors = self.floors_of(news);
        self.publish(node, news, floors);
    }
}

/// An order without what differs from run to run.
fn asked(order: &Order) -> &'static str {
    match order {
        Order::Learn { .. } => "learns",
        Order::Claim(_) => "claims",
        Order::Commit { .. } => "commits",
        Order::Renew { .. } => "renews",
        Order::Discard { .. } => "discards",
        Order::Release { .. } => "releases",
    }
}

fn answered(reply: &Reply) -> String {
    use crate::remote::guard::Claimed;
    match reply {
        Reply::Done | Reply::Nonce(_) => "done".to_owned(),
        Reply::Committed(stands) => format!("{stands}"),
        Reply::Claimed(Claimed::Granted) => "granted".to_owned(),
        Reply::Claimed(Claimed::Held { left, .. }) => format!("held for {left:?}"),
        Reply::Claimed(Claimed::Found(_)) => "found".to_owned(),
        Reply::Claimed(Claimed::Failed) => "failed".to_owned(),
    }
}

impl Store for Redis {
    fn get<'a>(&'a self, key: &'a str) -> Answer<'a, Option<Vec<u8>>> {
        let (node, key) = (self.node, key.to_owned());
        self.run(move |state| {
            let entry = state.entry(&key);
            state.say(|_| format!("n{node} gets {key}: {}", entry.is_some()));
            entry
        })
    }

    fn set<'a>(&'a self, key: &'a str, value: Vec<u8>, ttl: Duration) -> Answer<'a, ()> {
        let key = key.to_owned();
        self.run(move |state| state.change(&key, Change::Put { value, ttl }))
    }

    fn delete<'a>(&'a self, key: &'a str) -> Answer<'a, bool> {
        let key = key.to_owned();
        self.run(move |state| state.delete(|full| full == key) > 0)
    }

    fn exists<'a>(&'a self, key: &'a str) -> Answer<'a, bool> {
        let key = key.to_owned();
        self.run(move |state| state.entry(&key).is_some())
    }

    fn delete_matching<'a>(&'a self, pattern: &'a str) -> Answer<'a, u64> {
        let (node, pattern) = (self.node, pattern.to_owned());
        let everything = pattern == format!("{PREFIX}*");
        self.run(move |state| {
            state.say(|_| format!("n{node} deletes {pattern}"));
            // A clear takes the nonces along, as it does in Redis.
            let is_meant = |full: &str| {
                glob::matches(pattern.as_bytes(), full.as_bytes()) || (everything && full.starts_with('%'))
            };
            let deleted = state.delete(is_meant);
            if everything {
                let source = state.source;
                raise(&mut state.renewed, &source);
            }
            deleted
        })
    }

    fn clear(&self) -> Answer<'_, ()> {
        self.run(|state| {
            state.delete(|_| true);
        })
    }

    fn close(&self) -> Answer<'_, ()> {
        Box::pin(async { Ok(()) })
    }

    fn update<'a>(
        &'a self,
        _: &'a str,
        _: &'a mut (dyn for<'b> FnMut(Option<&'b [u8]>) -> Change + Send),
    ) -> Answer<'a, ()> {
        Box::pin(async { Err(BackendError::new("orders are carried out as they are")) })
    }

    fn get_many(&self, keys: Vec<String>) -> Answer<'_, Vec<Option<Vec<u8>>>> {
        self.run(move |state| keys.iter().map(|key| state.entry(key)).collect())
    }

    fn set_many(&self, entries: Vec<(String, Vec<u8>, Duration)>) -> Answer<'_, ()> {
        self.run(move |state| {
            for (key, value, ttl) in entries {
                state.change(&key, Change::Put { value, ttl });
            }
        })
    }

    fn delete_many(&self, keys: Vec<String>) -> Answer<'_, u64> {
        self.run(move |state| state.delete(|full| keys.iter().any(|key| key == full)))
    }

    fn carry_out<'a>(&'a self, key: &'a str, order: Order, news: Option<&News>) -> Answer<'a, Reply> {
        let (node, key, news) = (self.node, key.to_owned(), news.cloned());
        self.run(move |state| state.carry_out(node, &key, &order, news.as_ref()))
    }

    fn learn<'a>(&'a self, generations: &'a [(String, u64)]) -> Answer<'a, Vec<u64>> {
        let (node, generations) = (self.node, generations.to_vec());
        let answer = self.run(move |state| state.learn(node, &generations));
        Box::pin(async move { answer.await?.into_iter().map(Reply::nonce).collect() })
    }

    fn get_and_learn<'a>(
        &'a self,
        key: &'a str,
        generations: &'a [(String, u64)],
    ) -> Answer<'a, (Option<Vec<u8>>, Vec<u64>)> {
        let (node, key, generations) = (self.node, key.to_owned(), generations.to_vec());
        let answer = self.run(move |state| {
            let entry = state.entry(&key);
            state.say(|_| format!("n{node} gets {key}: {}", entry.is_some()));
            (entry, state.learn(node, &generations))
        });
        Box::pin(async move {
            let (entry, replies) = answer.await?;
            Ok((
                entry,
                replies.into_iter().map(Reply::nonce).collect::<Result<_, _>>()?,
            ))
        })
    }

    fn put<'a>(&'a self, key: &'a str, value: Vec<u8>, ttl: Duration, news: &'a News) -> Answer<'a, ()> {
        let (node, key, news) = (self.node, key.to_owned(), news.clone());
        self.run(move |state| state.put(node, &key, value, ttl, &news))
    }

    fn invalidate<'a>(&'a self, key: &'a str, news: &'a News) -> Answer<'a, bool> {
        let (node, key, news) = (self.node, key.to_owned(), news.clone());
        self.run(move |state| {
            state.say(|_| format!("n{node} deletes {key}"));
            let there = state.delete(|full| full == key) > 0;
            let floors = state.floors_of(&news);
            state.publish(node, &news, floors);
            there
        })
    }

    fn announce<'a>(&'a self, news: &'a [News]) -> Answer<'a, ()> {
        let (node, news) = (self.node, news.to_vec());
        self.run(move |state| {
            for news in &news {
                let floors = state.floors_of(news);
                state.publish(node, news, floors);
            }
        })
    }

    fn is_deaf(&self) -> bool {
        let state = self.world.lock();
        state.lives(self.node, self.life) && !state.nodes[self.node].hears
    }
}

impl State {
    fn learn(&mut self, node: usize, generations: &[(String, u64)]) -> Vec<Reply> {
        generations
            .iter()
            .map(|(key, fresh)| self.carry_out(node, key, &Order::Learn { fresh: *fresh }, None))
            .collect()
    }
}
