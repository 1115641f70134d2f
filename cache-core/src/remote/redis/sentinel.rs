//! Who the master is, by the word of its sentinels. It holds a connection to each of them, and none to the master.
//! Invariants: of two answers the one of the later epoch counts, so that a sentinel that has not heard yet takes nothing back;
//! and another master is not used before every process that asks as often has heard of it. The one before goes on taking
//! writes for seconds: what another process invalidates there would not be known here.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use redis::aio::MultiplexedConnection;
use redis::{Client, ConnectionAddr, ConnectionInfo, RedisConnectionInfo, RedisError, Value};

use super::connect::{self, Failure};
use super::link::{Place, describe, lock};
use crate::CacheError;
use crate::config::Servers;

/// Between two looks.
pub(super) const PACE: Duration = Duration::from_millis(250);
/// How long the sentinels may take to answer, and at first, when they have to be connected to.
const PATIENCE: Duration = Duration::from_millis(250);
const FIRST_PATIENCE: Duration = Duration::from_secs(1);
/// How long a process may take to hear of another master, and leave the one before.
const GRACE: Duration = Duration::from_millis(600);
/// How long sentinels may lag behind each other. Whoever says the same for longer was set up anew.
const LAG: Duration = Duration::from_secs(10);

pub(super) struct Sentinels {
    pub(super) master: String,
    watchers: Vec<Arc<Sentinel>>,
    /// How to connect to a master, but for its address.
    template: ConnectionInfo,
    known: Mutex<Known>,
}

struct Sentinel {
    /// As a user of the servers, and as nobody, for sentinels that know no users.
    clients: [Client; 2],
    connection: Mutex<Option<MultiplexedConnection>>,
    connecting: AtomicBool,
    /// How long connecting may take.
    timeout: Duration,
}

/// What was learnt last.
#[derive(Default)]
struct Known {
    /// The address and the epoch of the master.
    master: Option<(String, u16, u64)>,
    number: u64,
    /// Since when; nothing for one that nobody knows another before.
    since: Option<Instant>,
    /// Since when only earlier epochs were heard of.
    doubted: Option<Instant>,
}

/// What a sentinel says.
enum Answer {
    Master {
        host: String,
        port: u16,
        epoch: u64,
    },
    /// It watches no master of this name.
    Unknown,
}

impl Sentinels {
    pub(super) fn new(servers: &Servers, timeout: Duration) -> Result<Arc<Self>, CacheError> {
        let mut template = None;
        let mut sentinels = Vec::new();
        for url in &servers.urls {
            let info = connect::parse(url)?;
            let user = info.redis_settings().clone();
            let known = info.clone().set_redis_settings(user.set_db(0));
            let nobody = info.clone().set_redis_settings(RedisConnectionInfo::default());
            template.get_or_insert(info);
            sentinels.push(Arc::new(Sentinel {
                clients: [connect::client(known)?, connect::client(nobody)?],
                connection: Mutex::default(),
                connecting: AtomicBool::new(false),
                timeout,
            }));
        }
        let Some(template) = template else {
            return Err(CacheError::Config("`REDIS_URL` names no sentinel".into()));
        };
        Ok(Arc::new(Self {
            master: servers.master.clone(),
            watchers: sentinels,
            template,
            known: Mutex::default(),
        }))
    }

    /// The master, once it may be used.
    pub(super) async fn find(&self) -> Result<Place, Failure> {
        self.look().await?;
        loop {
            let since = lock(&self.known).since;
            let Some(left) = since.and_then(|since| GRACE.checked_sub(since.elapsed())) else {
                return self.place();
            };
            tokio::time::sleep(left).await;
            self.look().await?;
        }
    }

    /// Whether the sentinels name another master than the one of this number. If none of them answers, it is kept.
    pub(super) async fn have_another_than(&self, number: u64) -> bool {
        let _ = self.look().await;
        lock(&self.known).number != number
    }

    fn place(&self) -> Result<Place, Failure> {
        let (host, port, number) = {
            let known = lock(&self.known);
            let Some((host, port, _)) = &known.master else {
                return Err(Failure::new("no master is known"));
            };
            (host.clone(), *port, known.number)
        };
        let address = format!("{}, {host}:{port}", self.master);
        let info = moved_to(&self.template, &host, port);
        let client = connect::client(info).map_err(|error| Failure::new(error.to_string()))?;
        Ok(Place {
            client: Some(client),
            address,
            number,
        })
    }

    /// Asks all sentinels, and takes down what the best of them says.
    async fn look(&self) -> Result<(), Failure> {
        let patience = if lock(&self.known).master.is_some() {
            PATIENCE
        } else {
            FIRST_PATIENCE
        };
        let asked = self
            .watchers
            .iter()
            .map(|sentinel| sentinel.ask(&self.master, patience));
        let answers = join_all(asked).await;
        let mut reason = String::new();
        let mut unknown = false;
        let mut masters = Vec::new();
        for answer in answers {
            match answer {
                Ok(Answer::Master { host, port, epoch }) => masters.push((host, port, epoch)),
                Ok(Answer::Unknown) => unknown = true,
                Err(error) => reason = error,
            }
        }
        let disagree = masters.windows(2).any(|pair| pair.first() != pair.last());
        let Some(best) = masters.into_iter().max_by_key(|(_, _, epoch)| *epoch) else {
            if unknown {
                return Err(Failure {
                    reason: "the sentinels know no such master".into(),
                    misfit: Some(format!(
                        "the sentinels know no master `{}`; check `REDIS_SENTINEL_MASTER`",
                        self.master
                    )),
                });
            }
            return Err(Failure::new(format!("no sentinel answers: {reason}")));
        };
        self.take_down(best, disagree);
        Ok(())
    }

    fn take_down(&self, best: (String, u16, u64), disagree: bool) {
        let mut known = lock(&self.known);
        let Some((host, port, epoch)) = &known.master else {
            *known = Known {
                master: Some(best),
                number: 1,
                // While they disagree, the master has just been replaced.
                since: disagree.then(Instant::now),
                doubted: None,
            };
            return;
        };
        let same = (host, port) == (&best.0, &best.1);
        if best.2 < *epoch {
            // Those who know better do not answer.
            let doubted = *known.doubted.get_or_insert_with(Instant::now);
            if doubted.elapsed() < LAG {
                return;
            }
        }
        known.doubted = None;
        known.master = Some(best);
        if !same {
            known.number += 1;
            known.since = Some(Instant::now());
        }
    }
}

impl Sentinel {
    async fn ask(self: &Arc<Self>, master: &str, patience: Duration) -> Result<Answer, String> {
        let work = async {
            let mut connection = self.connection().await?;
            let mut questions = redis::pipe();
            for question in ["GET-MASTER-ADDR-BY-NAME", "MASTER"] {
                questions.cmd("SENTINEL").arg(question).arg(master);
            }
            let replies = connection
                .send_packed_commands(&questions, 0, 2)
                .await
                .map_err(|error| describe(&error))?;
            // Kept only if it answered.
            *lock(&self.connection) = Some(connection);
            read(replies)
        };
        tokio::time::timeout(patience, work)
            .await
            .unwrap_or_else(|_| Err("no answer in time".to_owned()))
    }

    /// The connection. Making one may take longer than the answer is waited for; it goes on then.
    async fn connection(self: &Arc<Self>) -> Result<MultiplexedConnection, String> {
        if let Some(connection) = lock(&self.connection).take() {
            return Ok(connection);
        }
        if self.connecting.swap(true, Ordering::AcqRel) {
            return Err("still connecting".to_owned());
        }
        let connecting = Connecting(Arc::clone(self));
        let made = tokio::spawn(async move {
            let sentinel = &connecting.0;
            let made = sentinel.open().await.map_err(|error| describe(&error));
            *lock(&sentinel.connection) = made.clone().ok();
            made
        });
        let made = made.await.map_err(|_| "the runtime has ended".to_owned())?;
        drop(lock(&self.connection).take());
        made
    }

    async fn open(&self) -> Result<MultiplexedConnection, RedisError> {
        let [known, nobody] = &self.clients;
        let named = known.get_connection_info().redis_settings().password().is_some();
        match connect::open(known, self.timeout).await {
            Err(error) if named && !error.is_io_error() => connect::open(nobody, self.timeout).await,
            result => result,
        }
    }
}

/// The right to connect to a sentinel. Whoever drops it lets the next one try.
struct Connecting(Arc<Sentinel>);

impl Drop for Connecting {
    fn drop(&mut self) {
        self.0.connecting.store(false, Ordering::Release);
    }
}

fn read(replies: Vec<Value>) -> Result<Answer, String> {
    let mut replies = replies.into_iter().map(Value::extract_error);
    let mut next = || replies.next().unwrap_or(Ok(Value::Nil));
    let address: Option<(String, u16)> = next()
        .and_then(|value| Ok(redis::FromRedisValue::from_redis_value(value)?))
        .map_err(|error| describe(&error))?;
    let Some((host, port)) = address else {
        return Ok(Answer::Unknown);
    };
    // The epoch of the answer; a sentinel that does not tell it has the earliest.
    let fields: std::collections::HashMap<String, String> = next()
        .and_then(|value| Ok(redis::FromRedisValue::from_redis_value(value)?))
        .unwrap_or_default();
    let epoch = fields.get("config-epoch").and_then(|epoch| epoch.parse().ok());
    Ok(Answer::Master {
        host,
        port,
        epoch: epoch.unwrap_or(0),
    })
}

/// The same way to connect, to another server.
pub(super) fn moved_to(info: &ConnectionInfo, host: &str, port: u16) -> ConnectionInfo {
    let host = host.to_owned();
    let addr = match info.addr() {
        ConnectionAddr::TcpTls {
            insecure, tls_params, ..
        } => ConnectionAddr::TcpTls {
            host,
            port,
            insecure: *insecure,
            tls_params: tls_params.clone(),
        },
        _ => ConnectionAddr::Tcp(host, port),
    };
    info.clone().set_addr(addr)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{RedisMode, Secret};

    fn sentinels() -> Arc<Sentinels> {
        let servers = Servers {
            mode: RedisMode::Sentinel,
            urls: vec![Secret("redis://u:p@a:1/3".into())],
            master: "m".into(),
        };
        Sentinels::new(&servers, Duration::from_secs(1)).unwrap()
    }

    fn master(sentinels: &Sentinels) -> (String, u64) {
        let place = sentinels.place().map_err(|failure| failure.reason).unwrap();
        (place.address, place.number)
    }

    #[test]
    fn l5_a_sentinel_that_has_not_heard_takes_nothing_back() {
        let sentinels = sentinels();
        sentinels.take_down(("a".into(), 1, 4), false);
        sentinels.take_down(("b".into(), 2, 5), true);
        assert_eq!(master(&sentinels), ("m, b:2".to_owned(), 2));
        sentinels.take_down(("a".into(), 1, 4), false);
        assert_eq!(master(&sentinels), ("m, b:2".to_owned(), 2));
        sentinels.take_down(("a".into(), 1, 6), false);
        assert_eq!(master(&sentinels), ("m, a:1".to_owned(), 3));
    }

    #[test]
    fn l5_only_a_master_that_took_the_place_of_another_has_to_wait() {
        let sentinels = sentinels();
        sentinels.take_down(("a".into(), 1, 4), false);
        assert!(lock(&sentinels.known).since.is_none());
        sentinels.take_down(("a".into(), 1, 5), false);
        assert!(lock(&sentinels.known).since.is_none());
        sentinels.take_down(("b".into(), 1, 6), false);
        assert!(lock(&sentinels.known).since.is_some());
    }

    #[test]
    fn a_master_is_reached_as_the_first_address_says() {
        let sentinels = sentinels();
        sentinels.take_down(("b".into(), 2, 0), false);
        let place = sentinels.place().map_err(|failure| failure.reason).unwrap();
        let client = place.client.unwrap();
        let settings = client.get_connection_info().redis_settings();
        assert_eq!(
            (settings.username(), settings.password(), settings.db()),
            (Some("u"), Some("p"), 3)
        );
        // Sentinels have no databases.
        let sentinel = sentinels.watchers[0].clients[0].get_connection_info();
        assert_eq!(sentinel.redis_settings().db(), 0);
    }
}
