//! One supervised connection to Redis: the circuit breaker and the reconnection in one.
//! It knows commands, not entries. Invariants: a caller never connects and never probes, a background task does both;
//! while there is no connection, a call fails at once; three commands that time out in a row, an error that the
//! connection cannot recover from, or a server that turned read-only replace the connection.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, ErrorKind, Pipeline, RedisError, ServerErrorKind, Value};
use tokio::sync::Notify;

use super::super::{Budget, Unavailable};
use super::gather::Gather;
use super::script::Step;
use crate::config::{RedisConfig, redact};
use crate::{CacheError, clock};

/// Timeouts in a row after which a connection counts as dead.
const STRIKES: u32 = 3;
const FIRST_WAIT: Duration = Duration::from_millis(20);
const LONGEST_WAIT: Duration = Duration::from_millis(500);
/// How long one attempt to come back may take, so that the next one is not far.
const ATTEMPT: Duration = Duration::from_secs(1);

enum State {
    /// The first attempt is under way or still to come; callers may wait for it within their budget.
    Starting,
    Up {
        connection: MultiplexedConnection,
        epoch: u64,
    },
    Down,
}

/// What is known about the server.
#[derive(Debug, Clone, Default)]
pub(crate) struct ServerFacts {
    pub(crate) version: Option<String>,
    pub(crate) latency: Option<Duration>,
    pub(crate) last_error: Option<String>,
}

pub(crate) struct Link {
    client: Client,
    /// The address without secrets, for messages.
    address: String,
    timeout: Duration,
    state: RwLock<State>,
    epochs: AtomicU64,
    strikes: AtomicU32,
    gather: Gather,
    connecting: AtomicBool,
    closed: AtomicBool,
    changed: Notify,
    /// Which run of which server this is; 0 when it does not say.
    origin: AtomicU64,
    /// What the server's clock is ahead of ours, in milliseconds. Ours is one that nobody moves; until the server has told
    /// its time, it is taken for that of this machine.
    ahead: AtomicI64,
    facts: Mutex<ServerFacts>,
    /// Why the server does not want us: the one failure that is a matter of configuration.
    refused: Mutex<Option<String>>,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("address", &self.address)
            .field("up", &self.is_up())
            .finish_non_exhaustive()
    }
}

impl Link {
    pub(crate) fn new(config: &RedisConfig) -> Result<Arc<Self>, CacheError> {
        use redis::IntoConnectionInfo;
        let hidden = redact(&config.url.0);
        let broken = |error: RedisError| {
            CacheError::Config(format!(
                "`REDIS_URL` is `{hidden}`, which cannot be used: {}",
                error.category()
            ))
        };
        let info = config.url.0.as_str().into_connection_info().map_err(broken)?;
        let address = info.addr().to_string();
        let tcp = info.tcp_settings().clone().set_nodelay(true);
        let client = Client::open(info.set_tcp_settings(tcp)).map_err(broken)?;
        Ok(Arc::new(Self {
            client,
            address,
            timeout: config.timeout,
            state: RwLock::new(State::Starting),
            epochs: AtomicU64::new(0),
            strikes: AtomicU32::new(0),
            gather: Gather::default(),
            connecting: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            changed: Notify::new(),
            origin: AtomicU64::new(0),
            ahead: AtomicI64::new(
                clock::wall()
                    .cast_signed()
                    .wrapping_sub(clock::steady().cast_signed()),
            ),
            facts: Mutex::default(),
            refused: Mutex::default(),
        }))
    }

    pub(super) fn gather(&self) -> &Gather {
        &self.gather
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// The number of the connection: another one after each reconnection.
    pub(crate) fn epoch(&self) -> Option<u64> {
        match &*self.state.read().unwrap_or_else(PoisonError::into_inner) {
            State::Up { epoch, .. } => Some(*epoch),
            State::Starting | State::Down => None,
        }
    }

    /// Lets go of the connection, so that the next use makes a new one and waits for it.
    pub(crate) fn restart(&self) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if matches!(*state, State::Up { .. }) {
            *state = State::Starting;
        }
    }

    pub(crate) fn is_up(&self) -> bool {
        matches!(
            *self.state.read().unwrap_or_else(PoisonError::into_inner),
            State::Up { .. }
        )
    }

    /// The server's time in milliseconds since 1970, as far as it is known.
    pub(crate) fn now(&self) -> u64 {
        clock::steady().saturating_add_signed(self.ahead.load(Ordering::Relaxed))
    }

    pub(crate) fn origin(&self) -> u64 {
        self.origin.load(Ordering::SeqCst)
    }

    pub(crate) fn facts(&self) -> ServerFacts {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until the first attempt to connect is over. Fails when the server refused the credentials.
    pub(crate) async fn first_attempt(self: &Arc<Self>) -> Result<(), CacheError> {
        let mut whole = Budget::new(self.timeout);
        let _ = self.connection(&mut whole).await;
        match &*self.refused.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(reason) => Err(CacheError::Config(format!(
                "the server at `{}` refused the credentials: {reason}; check the user and the password in `REDIS_URL`, \
                 or `REDIS_USERNAME` and `REDIS_PASSWORD`",
                self.address
            ))),
            None => Ok(()),
        }
    }

    /// Sends a command and waits for its reply within the budget.
    pub(crate) async fn send(
        self: &Arc<Self>,
        command: &Cmd,
        budget: &mut Budget,
    ) -> Result<Value, Unavailable> {
        let (mut connection, epoch) = self.connection(budget).await?;
        if budget.is_spent() {
            return Err(Unavailable);
        }
        let reply = budget.spend(connection.send_packed_command(command)).await;
        self.judge(epoch, reply)
    }

    /// Sends several commands in one go and waits for all replies.
    pub(crate) async fn send_all(
        self: &Arc<Self>,
        commands: &Pipeline,
        budget: &mut Budget,
    ) -> Result<Vec<Value>, Unavailable> {
        let (epoch, replies) = self.exchange(commands, budget).await?;
        self.judge(epoch, without_errors(replies))
    }

    /// Does several things in one go and waits for all replies.
    pub(super) async fn run(
        self: &Arc<Self>,
        steps: &[Step],
        budget: &mut Budget,
    ) -> Result<Vec<Value>, Unavailable> {
        let pipeline = |in_full: bool| {
            let mut pipeline = redis::pipe();
            for step in steps {
                pipeline.add_command(step.command(in_full));
            }
            pipeline
        };
        let (epoch, replies) = self.exchange(&pipeline(false), budget).await?;
        let replies = without_errors(replies);
        let unknown = matches!(
            &replies,
            Some(Err(error)) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
        );
        if unknown {
            // The server was restarted or told to forget them. All of it can be done twice.
            return self.send_all(&pipeline(true), budget).await;
        }
        self.judge(epoch, replies)
    }

    /// Sends several commands in one go, of which the server may refuse some.
    pub(super) async fn send_each(
        self: &Arc<Self>,
        commands: &Pipeline,
        budget: &mut Budget,
    ) -> Result<Vec<Value>, Unavailable> {
        let (epoch, replies) = self.exchange(commands, budget).await?;
        self.judge(epoch, replies)
    }

    async fn exchange(
        self: &Arc<Self>,
        commands: &Pipeline,
        budget: &mut Budget,
    ) -> Result<(u64, Replies), Unavailable> {
        let (mut connection, epoch) = self.connection(budget).await?;
        if budget.is_spent() {
            return Err(Unavailable);
        }
        let count = commands.len();
        let reply = budget
            .spend(connection.send_packed_commands(commands, 0, count))
            .await;
        Ok((epoch, reply))
    }

    fn up(&self) -> Option<(MultiplexedConnection, u64)> {
        match &*self.state.read().unwrap_or_else(PoisonError::into_inner) {
            State::Up { connection, epoch } => Some((connection.clone(), *epoch)),
            State::Starting | State::Down => None,
        }
    }

    async fn connection(
        self: &Arc<Self>,
        budget: &mut Budget,
    ) -> Result<(MultiplexedConnection, u64), Unavailable> {
        if let Some(up) = self.up() {
            return Ok(up);
        }
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            match &*self.state.read().unwrap_or_else(PoisonError::into_inner) {
                State::Up { connection, epoch } => return Ok((connection.clone(), *epoch)),
                State::Down => {
                    self.wake();
                    return Err(Unavailable);
                }
                State::Starting => self.wake(),
            }
            budget.spend(changed).await.ok_or(Unavailable)?;
        }
    }

    fn judge<T>(
        self: &Arc<Self>,
        epoch: u64,
        reply: Option<Result<T, RedisError>>,
    ) -> Result<T, Unavailable> {
        match reply {
            Some(Ok(value)) => {
                if self.strikes.load(Ordering::Relaxed) != 0 {
                    self.strikes.store(0, Ordering::Relaxed);
                }
                Ok(value)
            }
            Some(Err(error)) => {
                let read_only = error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly);
                if error.is_unrecoverable_error() || read_only {
                    self.lose(epoch, &describe(&error));
                } else {
                    tracing::debug!(
                        address = self.address,
                        error = describe(&error),
                        "Redis refused a command"
                    );
                }
                Err(Unavailable)
            }
            None => {
                if self.strikes.fetch_add(1, Ordering::Relaxed) + 1 >= STRIKES {
                    self.lose(epoch, "no answer in time");
                }
                Err(Unavailable)
            }
        }
    }

    /// Gives up the connection of this epoch. Of many who notice, one does it.
    pub(crate) fn lose(self: &Arc<Self>, epoch: u64, reason: &str) {
        {
            let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
            match &*state {
                State::Up { epoch: current, .. } if *current == epoch => *state = State::Down,
                _ => return,
            }
        }
        tracing::warn!(
            address = self.address,
            reason,
            "Redis is gone; the cache goes on without it"
        );
        self.facts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .last_error = Some(reason.to_owned());
        self.wake();
    }

    /// Starts the background task that connects, unless it runs.
    pub(crate) fn wake(self: &Arc<Self>) {
        if self.closed.load(Ordering::Relaxed) || self.connecting.swap(true, Ordering::AcqRel) {
            return;
        }
        let task = Connecting(Arc::downgrade(self));
        // Dropped here or with its runtime, the task can be started again by the next caller.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(task.run());
        }
    }

    async fn attempt(&self, limit: Duration) -> Result<MultiplexedConnection, String> {
        let work = async {
            let config = AsyncConnectionConfig::new()
                .set_connection_timeout(Some(limit))
                .set_response_timeout(None);
            let mut connection = self
                .client
                .get_multiplexed_async_connection_with_config(&config)
                .await?;
            let asked = std::time::Instant::now();
            redis::cmd("PING").query_async::<Value>(&mut connection).await?;
            let latency = asked.elapsed();
            // A user who may not ask for these can use the cache all the same.
            let _ = redis::cmd("CLIENT")
                .arg("SETNAME")
                .arg("cache-core")
                .query_async::<Value>(&mut connection)
                .await;
            let asked = clock::steady();
            if let Ok((seconds, micros)) = redis::cmd("TIME")
                .query_async::<(u64, u64)>(&mut connection)
                .await
            {
                let ours = u64::midpoint(asked, clock::steady());
                let theirs = seconds.saturating_mul(1000) + micros / 1000;
                self.ahead.store(
                    theirs.cast_signed().wrapping_sub(ours.cast_signed()),
                    Ordering::Relaxed,
                );
            }
            let info = redis::cmd("INFO")
                .arg("server")
                .query_async::<String>(&mut connection)
                .await
                .unwrap_or_default();
            let field = |name: &str| {
                let line = info.lines().find_map(|line| line.strip_prefix(name));
                line.map(|value| value.trim().to_owned())
            };
            let version = field("redis_version:");
            let run = field("run_id:").and_then(|run| u64::from_str_radix(run.get(..16)?, 16).ok());
            self.origin.store(run.unwrap_or(0), Ordering::SeqCst);
            *self.facts.lock().unwrap_or_else(PoisonError::into_inner) = ServerFacts {
                version,
                latency: Some(latency),
                last_error: None,
            };
            Ok::<_, RedisError>(connection)
        };
        let result = tokio::time::timeout(limit, work).await;
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        *refused = None;
        match result {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => {
                if error.kind() == ErrorKind::AuthenticationFailed || error.code().is_some_and(is_refusal) {
                    *refused = Some(error.code().unwrap_or("authentication failed").to_owned());
                }
                Err(describe(&error))
            }
            Err(_) => Err("no answer in time".to_owned()),
        }
    }

    pub(crate) async fn ping(self: &Arc<Self>, limit: Duration) -> Option<Duration> {
        let asked = std::time::Instant::now();
        self.send(&redis::cmd("PING"), &mut Budget::new(limit))
            .await
            .ok()?;
        let latency = asked.elapsed();
        self.facts.lock().unwrap_or_else(PoisonError::into_inner).latency = Some(latency);
        Some(latency)
    }

    /// Waits for a connection, for `limit` at most.
    pub(crate) async fn wait_until_up(self: &Arc<Self>, limit: Duration) -> bool {
        let wait = async {
            loop {
                let mut changed = std::pin::pin!(self.changed.notified());
                changed.as_mut().enable();
                if self.is_up() {
                    return;
                }
                self.wake();
                changed.await;
            }
        };
        tokio::time::timeout(limit, wait).await.is_ok()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = State::Down;
    }
}

type Replies = Option<Result<Vec<Value>, RedisError>>;

/// The replies of a pipeline carry their errors inside.
fn without_errors(replies: Replies) -> Replies {
    replies.map(|values| values.and_then(|values| values.into_iter().map(Value::extract_error).collect()))
}

fn is_refusal(code: &str) -> bool {
    matches!(code, "WRONGPASS" | "NOAUTH" | "NOPERM")
}

/// An error of the client without anything that the user typed.
fn describe(error: &RedisError) -> String {
    match error.code() {
        Some(code) => code.to_owned(),
        // Such as "Connection refused": what the operating system says.
        None if error.is_io_error() => error.to_string(),
        None => error.category().to_owned(),
    }
}

/// The right to connect. Whoever drops it lets the next one try.
struct Connecting(Weak<Link>);

impl Connecting {
    async fn run(self) {
        let mut wait = FIRST_WAIT;
        loop {
            let Some(link) = self.0.upgrade() else { return };
            let first = matches!(
                *link.state.read().unwrap_or_else(PoisonError::into_inner),
                State::Starting
            );
            let limit = if first {
                link.timeout
            } else {
                link.timeout.min(ATTEMPT)
            };
            let result = link.attempt(limit).await;
            if link.closed.load(Ordering::Relaxed) {
                return;
            }
            let up = result.is_ok();
            {
                let mut state = link.state.write().unwrap_or_else(PoisonError::into_inner);
                *state = match result {
                    Ok(connection) => {
                        link.strikes.store(0, Ordering::Relaxed);
                        let epoch = link.epochs.fetch_add(1, Ordering::Relaxed);
                        if !first {
                            tracing::info!(address = link.address, "Redis is back");
                        }
                        State::Up { connection, epoch }
                    }
                    Err(reason) => {
                        if first {
                            tracing::warn!(
                                address = link.address,
                                reason,
                                "Redis cannot be reached; the cache goes on without it"
                            );
                        }
                        link.facts
                            .lock()
                            .unwrap_or_else(PoisonError::into_inner)
                            .last_error = Some(reason);
                        State::Down
                    }
                };
            }
            link.changed.notify_waiters();
            if up {
                return;
            }
            drop(link);
            tokio::time::sleep(jittered(wait)).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
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
fn jittered(wait: Duration) -> Duration {
    let part = (crate::generations::fresh_nonce() % 512) as u32;
    wait / 2 + wait * part / 1024
}
