//! How a link comes to its connection, and comes to it again: the background task that looks the server up, connects, and
//! waits with jitter between two attempts. It carries no commands of callers. Invariant: one such task at most for each link,
//! and a link that leads to the master of sentinels does not outlive that master's reign.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ConnectionInfo, ErrorKind, FromRedisValue, IntoConnectionInfo,
    ProtocolVersion, RedisError, Value,
};

use super::link::{Link, Place, ServerFacts, State, describe, lock};
use super::sentinel::{self, Sentinels};
use super::tracking::Tracking;
use crate::config::{Secret, redact};
use crate::{CacheError, clock};

const FIRST_WAIT: Duration = Duration::from_millis(20);
const LONGEST_WAIT: Duration = Duration::from_millis(300);
/// How long one attempt to come back may take. One that began before the server was back may be lost, and is then in the way
/// of the next; both together are less than the second within which a server is used again.
pub(super) const ATTEMPT: Duration = Duration::from_millis(600);
const _: () = assert!(LONGEST_WAIT.as_millis() + ATTEMPT.as_millis() < 1000);

/// What a link leads to.
pub(super) enum Target {
    Server(Arc<Client>),
    /// Whoever the sentinels say is the master. `watched` links find out when that changes.
    Master {
        sentinels: Arc<Sentinels>,
        watched: bool,
    },
}

/// Why there is no connection.
pub(super) struct Failure {
    pub(super) reason: String,
    /// What has to be changed in the configuration.
    pub(super) misfit: Option<String>,
}

impl Failure {
    pub(super) fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            misfit: None,
        }
    }

    pub(super) fn of(error: &RedisError, address: &str) -> Self {
        let refused = error.kind() == ErrorKind::AuthenticationFailed || error.code().is_some_and(is_refusal);
        let misfit = refused.then(|| {
            let reason = error.code().unwrap_or("authentication failed");
            format!(
                "the server at `{address}` refused the credentials: {reason}; check the user and the password in `REDIS_URL`, \
                 or `REDIS_USERNAME` and `REDIS_PASSWORD`"
            )
        });
        Self {
            reason: describe(error),
            misfit,
        }
    }
}

fn is_refusal(code: &str) -> bool {
    matches!(code, "WRONGPASS" | "NOAUTH" | "NOPERM")
}

/// How to connect to an address.
pub(super) fn parse(url: &Secret) -> Result<ConnectionInfo, CacheError> {
    let info = url.0.as_str().into_connection_info().map_err(|error| {
        CacheError::Config(format!(
            "`REDIS_URL` is `{}`, which cannot be used: {}",
            redact(&url.0),
            error.category()
        ))
    })?;
    let tcp = info.tcp_settings().clone().set_nodelay(true);
    Ok(info.set_tcp_settings(tcp))
}

pub(super) fn client(info: ConnectionInfo) -> Result<Client, CacheError> {
    let address = info.addr().to_string();
    Client::open(info).map_err(|error| {
        CacheError::Config(format!(
            "the address `{address}` in `REDIS_URL` cannot be used: {}",
            error.category()
        ))
    })
}

/// A connection, made within `limit`.
pub(super) async fn open(client: &Client, limit: Duration) -> Result<MultiplexedConnection, RedisError> {
    let config = within(limit);
    client.get_multiplexed_async_connection_with_config(&config).await
}

fn within(limit: Duration) -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_connection_timeout(Some(limit))
        .set_response_timeout(None)
}

/// A connection over which the server also tells what others write, made within `limit`.
async fn open_tracked(
    client: &Client,
    limit: Duration,
    tracking: &Arc<Tracking>,
) -> Result<MultiplexedConnection, RedisError> {
    let info = client.get_connection_info().clone();
    // Only the later protocol has a place for what is no reply.
    let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
    let told = Arc::clone(tracking);
    let config = within(limit).set_push_sender(move |push| {
        told.pushed(push);
        Ok::<(), std::convert::Infallible>(())
    });
    let client = Client::open(info.set_redis_settings(settings))?;
    let mut connection = client
        .get_multiplexed_async_connection_with_config(&config)
        .await?;
    tracking.begin(&mut connection).await?;
    Ok(connection)
}

impl Target {
    pub(super) fn place(&self) -> Place {
        match self {
            Self::Server(client) => Place {
                client: Some(Client::clone(client)),
                address: client.get_connection_info().addr().to_string(),
                number: 0,
            },
            Self::Master { sentinels, .. } => Place {
                client: None,
                address: format!("(the master `{}`)", sentinels.master),
                number: 0,
            },
        }
    }
}

impl Link {
    /// Starts the background task that connects, unless it runs; then it is woken.
    pub(super) fn wake(self: &Arc<Self>) {
        if self.is_closed() {
            return;
        }
        if self.connecting.swap(true, Ordering::AcqRel) {
            if self.is_watched() {
                self.woken.notify_one();
            }
            return;
        }
        let task = Connecting(Arc::downgrade(self));
        // Dropped here or with its runtime, the task can be started again by the next caller.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(task.run());
        }
    }

    fn is_watched(&self) -> bool {
        matches!(self.target, Target::Master { watched: true, .. })
    }

    async fn attempt(&self, limit: Duration) -> Result<(MultiplexedConnection, Place), Failure> {
        let place = match &self.target {
            Target::Server(_) => lock(&self.place).clone(),
            // It takes as long as others may need to hear of the same master.
            Target::Master { sentinels, .. } => sentinels.find().await?,
        };
        let Some(client) = &place.client else {
            return Err(Failure::new("no address"));
        };
        let of_sentinels = matches!(self.target, Target::Master { .. });
        let made = tokio::time::timeout(limit, self.greet(client, limit, of_sentinels)).await;
        match made {
            Ok(Ok(connection)) => Ok((connection, place)),
            Ok(Err(error)) => Err(Failure::of(&error, &place.address)),
            Err(_) => Err(Failure::new("no answer in time")),
        }
    }

    /// Connects. A server that does not track is used all the same; it is as if the channel were lost.
    async fn open(&self, client: &Client, limit: Duration) -> Result<MultiplexedConnection, RedisError> {
        self.tracked.store(false, Ordering::SeqCst);
        let Some(tracking) = &self.tracking else {
            return open(client, limit).await;
        };
        match open_tracked(client, limit, tracking).await {
            Ok(connection) => {
                self.tracked.store(true, Ordering::SeqCst);
                Ok(connection)
            }
            Err(error) if error.is_io_error() => Err(error),
            Err(error) => {
                let connection = open(client, limit).await?;
                tracing::warn!(
                    reason = describe(&error),
                    "the server does not track what its clients hold; copies in memory are held for a short time only"
                );
                Ok(connection)
            }
        }
    }

    /// Connects, and asks the server who it is.
    async fn greet(
        &self,
        client: &Client,
        limit: Duration,
        must_be_master: bool,
    ) -> Result<MultiplexedConnection, RedisError> {
        let mut connection = self.open(client, limit).await?;
        // In one round trip: far away, each one more would be a part of what an attempt may take.
        let mut questions = redis::pipe();
        questions.cmd("PING").cmd("TIME").cmd("INFO").arg("server");
        questions
            .cmd("CLIENT")
            .arg("SETNAME")
            .arg("cache-core")
            .cmd("ROLE");
        let (asked, sent) = (clock::steady(), std::time::Instant::now());
        let answers = connection.send_packed_commands(&questions, 0, 5).await?;
        let (latency, answered) = (sent.elapsed(), clock::steady());
        let mut answers = answers.into_iter().map(Value::extract_error);
        let mut next = || answers.next().unwrap_or(Ok(Value::Nil));
        next()?;
        // A user who may not ask for the others can use the cache all the same.
        let (time, info, _, role) = (next(), next(), next(), next());
        if must_be_master
            && let Ok(Value::Array(role)) = role
            && !matches!(role.first(), Some(Value::BulkString(role)) if role == b"master")
        {
            return Err(RedisError::from((ErrorKind::Client, "this server is no master")));
        }
        if let Some((seconds, micros)) = time
            .ok()
            .and_then(|time| <(u64, u64)>::from_redis_value(time).ok())
        {
            let ours = u64::midpoint(asked, answered);
            let theirs = seconds.saturating_mul(1000) + micros / 1000;
            self.ahead.store(
                theirs.cast_signed().wrapping_sub(ours.cast_signed()),
                Ordering::Relaxed,
            );
        }
        let info = info
            .ok()
            .and_then(|info| String::from_redis_value(info).ok())
            .unwrap_or_default();
        let field = |name: &str| {
            let line = info.lines().find_map(|line| line.strip_prefix(name));
            line.map(|value| value.trim().to_owned())
        };
        let version = field("redis_version:");
        let run = field("run_id:").and_then(|run| u64::from_str_radix(run.get(..16)?, 16).ok());
        self.origin.store(run.unwrap_or(0), Ordering::SeqCst);
        *lock(&self.facts) = ServerFacts {
            version,
            latency: Some(latency),
            last_error: None,
        };
        Ok(connection)
    }

    /// Tells the sentinels' new master from the one that this link leads to.
    async fn is_replaced(&self) -> bool {
        match &self.target {
            Target::Server(_) => false,
            Target::Master { sentinels, .. } => sentinels.have_another_than(self.number()).await,
        }
    }
}

/// The right to connect. Whoever drops it lets the next one try.
struct Connecting(Weak<Link>);

impl Connecting {
    async fn run(self) {
        let mut wait = FIRST_WAIT;
        loop {
            let Some(link) = self.0.upgrade().filter(|link| !link.is_closed()) else {
                return;
            };
            if link.is_up() {
                if !link.is_watched() {
                    return;
                }
                let woken = Arc::clone(&link.woken);
                drop(link);
                let _ = tokio::time::timeout(sentinel::PACE, woken.notified()).await;
                let Some(link) = self.0.upgrade() else { return };
                if let Some(epoch) = link.epoch()
                    && link.is_replaced().await
                {
                    link.lose(epoch, "the sentinels name another master");
                }
                wait = FIRST_WAIT;
                continue;
            }
            let first = !link.is_down();
            let limit = if first {
                link.timeout
            } else {
                link.timeout.min(ATTEMPT)
            };
            let result = link.attempt(limit).await;
            if link.is_closed() {
                return;
            }
            let up = result.is_ok();
            link.take(result, first);
            if up {
                continue;
            }
            drop(link);
            tokio::time::sleep(jittered(wait)).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }
}

impl Link {
    /// Takes what an attempt has given.
    fn take(&self, result: Result<(MultiplexedConnection, Place), Failure>, first: bool) {
        let address = match &result {
            Ok((_, place)) => {
                *lock(&self.place) = place.clone();
                place.address.clone()
            }
            Err(_) => self.address(),
        };
        let mut misfit = None;
        {
            let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
            *state = match result {
                Ok((connection, _)) => {
                    self.strikes.store(0, Ordering::Relaxed);
                    let epoch = self.epochs.fetch_add(1, Ordering::Relaxed);
                    if !first {
                        tracing::info!(address, "Redis is back");
                    }
                    State::Up { connection, epoch }
                }
                Err(failure) => {
                    if first {
                        tracing::warn!(
                            address,
                            reason = failure.reason,
                            "Redis cannot be reached; the cache goes on without it"
                        );
                    }
                    lock(&self.facts).last_error = Some(failure.reason);
                    misfit = failure.misfit;
                    State::Down
                }
            };
        }
        *lock(&self.misfit) = misfit;
        if let Some(tracking) = &self.tracking {
            tracking.interrupted();
        }
        self.changed.notify_waiters();
    }
}

impl Drop for Connecting {
    fn drop(&mut self) {
        if let Some(link) = self.0.upgrade() {
            link.connecting.store(false, Ordering::Release);
        }
    }
}

/// Between half and all of a wait, so that many processes do not come back at once.
pub(super) fn jittered(wait: Duration) -> Duration {
    let part = (crate::generations::fresh_nonce() % 512) as u32;
    wait / 2 + wait * part / 1024
}
