//! One supervised connection to Redis: the circuit breaker and the reconnection in one.
//! It knows commands, not entries. Invariants: a caller never connects and never probes, a background task does both
//! (`connect`); while there is no connection, a call fails at once; three commands that time out in a row, an error that the
//! connection cannot recover from, or a server that turned read-only replace the connection.

use std::fmt;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Client, Cmd, ErrorKind, Pipeline, RedisError, ServerErrorKind, Value};
use tokio::sync::Notify;

use super::connect::Target;
use super::gather::Gather;
use super::node::Manner;
use super::script::Step;
use super::tracking::Tracking;
use crate::clock;
use crate::remote::{Budget, Unavailable};

/// Timeouts in a row after which a connection counts as dead.
const STRIKES: u32 = 3;

pub(super) enum State {
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

/// Which server a link leads to: the same for ever, unless it is looked up.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) client: Option<Client>,
    /// The address without secrets, for messages.
    pub(super) address: String,
    /// Another one for each server that took the place of an earlier one.
    pub(super) number: u64,
}

/// What the server says of a command: its reply, or that it refuses.
pub(super) type Reply = Result<Value, RedisError>;

pub(crate) struct Link {
    pub(super) target: Target,
    pub(super) place: Mutex<Place>,
    pub(super) timeout: Duration,
    /// What is told of the writes of other programs.
    pub(super) tracking: Option<Arc<Tracking>>,
    /// Whether the server has said that it tells.
    pub(super) tracked: AtomicBool,
    pub(super) state: RwLock<State>,
    pub(super) epochs: AtomicU64,
    pub(super) strikes: AtomicU32,
    gather: Gather,
    pub(super) connecting: AtomicBool,
    closed: AtomicBool,
    /// Wakes the background task.
    pub(super) woken: Arc<Notify>,
    /// Wakes those who wait for a connection, or for its end.
    pub(super) changed: Notify,
    /// Which run of which server this is; 0 when it does not say.
    pub(super) origin: AtomicU64,
    /// What the server's clock is ahead of ours, in milliseconds. Ours is one that nobody moves; until the server has told
    /// its time, it is taken for that of this machine.
    pub(super) ahead: AtomicI64,
    pub(super) facts: Mutex<ServerFacts>,
    /// What is wrong with the configuration: the server does not want us, or is not what it is taken for.
    pub(super) misfit: Mutex<Option<String>>,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("address", &self.address())
            .field("up", &self.is_up())
            .finish_non_exhaustive()
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Link {
    pub(super) fn new(target: Target, manner: &Manner, tracking: Option<Arc<Tracking>>) -> Arc<Self> {
        Arc::new(Self {
            place: Mutex::new(target.place()),
            target,
            timeout: manner.timeout,
            tracking,
            tracked: AtomicBool::new(false),
            state: RwLock::new(State::Starting),
            epochs: AtomicU64::new(0),
            strikes: AtomicU32::new(0),
            gather: Gather::new(manner.gathers),
            connecting: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            woken: Arc::default(),
            changed: Notify::new(),
            origin: AtomicU64::new(0),
            ahead: AtomicI64::new(
                clock::wall()
                    .cast_signed()
                    .wrapping_sub(clock::steady().cast_signed()),
            ),
            facts: Mutex::default(),
            misfit: Mutex::default(),
        })
    }

    pub(super) fn gather(&self) -> &Gather {
        &self.gather
    }

    /// How to reach the server, and its number; nothing while it is not known.
    pub(super) fn client(&self) -> Option<(Client, u64)> {
        let place = lock(&self.place);
        Some((place.client.clone()?, place.number))
    }

    pub(super) fn address(&self) -> String {
        lock(&self.place).address.clone()
    }

    /// The number of the server, see [`Place`].
    pub(super) fn number(&self) -> u64 {
        lock(&self.place).number
    }

    /// The number of the connection: another one after each reconnection.
    pub(super) fn epoch(&self) -> Option<u64> {
        match &*self.state.read().unwrap_or_else(PoisonError::into_inner) {
            State::Up { epoch, .. } => Some(*epoch),
            State::Starting | State::Down => None,
        }
    }

    /// Lets go of the connection, so that the next use makes a new one and waits for it.
    pub(super) fn restart(&self) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if matches!(*state, State::Up { .. }) {
            *state = State::Starting;
        }
    }

    /// Whether the server tells of the writes of other programs.
    pub(super) fn is_tracked(&self) -> bool {
        self.is_up() && self.tracked.load(Ordering::SeqCst)
    }

    pub(super) fn is_up(&self) -> bool {
        self.epoch().is_some()
    }

    /// Whether a call would fail at once.
    pub(super) fn is_down(&self) -> bool {
        matches!(
            *self.state.read().unwrap_or_else(PoisonError::into_inner),
            State::Down
        )
    }

    /// The server's time in milliseconds since 1970, as far as it is known.
    pub(super) fn now(&self) -> u64 {
        clock::steady().saturating_add_signed(self.ahead.load(Ordering::Relaxed))
    }

    pub(super) fn origin(&self) -> u64 {
        self.origin.load(Ordering::SeqCst)
    }

    pub(super) fn facts(&self) -> ServerFacts {
        lock(&self.facts).clone()
    }

    /// Waits until the first attempt to connect is over. Gives what is wrong with the configuration.
    pub(super) async fn first_attempt(self: &Arc<Self>) -> Option<String> {
        let mut whole = Budget::new(self.timeout);
        let _ = self.connection(&mut whole).await;
        lock(&self.misfit).clone()
    }

    /// Sends a command and waits for its reply within the budget.
    pub(super) async fn ask(
        self: &Arc<Self>,
        command: &Cmd,
        budget: &mut Budget,
    ) -> Result<Reply, Unavailable> {
        let (mut connection, epoch) = self.connection(budget).await?;
        if budget.is_spent() {
            return Err(Unavailable);
        }
        // Pinned where it is: it is large, and would be moved several times otherwise.
        let reply = pin!(connection.send_packed_command(command));
        let reply = budget.spend(reply).await;
        Ok(match self.judge(epoch, reply)? {
            Ok(value) => value
                .extract_error()
                .inspect_err(|error| self.weigh(epoch, error)),
            Err(error) => Err(error),
        })
    }

    /// Sends several commands in one go and waits for all replies.
    pub(super) async fn ask_all(
        self: &Arc<Self>,
        commands: &Pipeline,
        budget: &mut Budget,
    ) -> Result<Vec<Reply>, Unavailable> {
        if commands.is_empty() {
            return Ok(Vec::new());
        }
        let (mut connection, epoch) = self.connection(budget).await?;
        if budget.is_spent() {
            return Err(Unavailable);
        }
        let count = commands.len();
        let replies = pin!(connection.send_packed_commands(commands, 0, count));
        let replies = budget.spend(replies).await;
        Ok(match self.judge(epoch, replies)? {
            Ok(replies) => replies
                .into_iter()
                .map(|reply| {
                    reply
                        .extract_error()
                        .inspect_err(|error| self.weigh(epoch, error))
                })
                .collect(),
            // What is refused as a whole is refused in each part.
            Err(error) => (0..count).map(|_| Err(error.clone())).collect(),
        })
    }

    /// Does several things in one go and waits for all replies. `asking` is for a slot that is being moved here.
    pub(super) async fn run(
        self: &Arc<Self>,
        steps: &[&Step],
        asking: bool,
        budget: &mut Budget,
    ) -> Result<Vec<Reply>, Unavailable> {
        let all: Vec<usize> = (0..steps.len()).collect();
        let mut replies = self.run_some(steps, &all, false, asking, budget).await?;
        let unknown: Vec<usize> = replies
            .iter()
            .enumerate()
            .filter(|(_, reply)| is_server_error(reply, ServerErrorKind::NoScript))
            .map(|(index, _)| index)
            .collect();
        if !unknown.is_empty() {
            // The server was restarted or told to forget its scripts.
            let again = self.run_some(steps, &unknown, true, asking, budget).await?;
            for (index, reply) in unknown.into_iter().zip(again) {
                if let Some(place) = replies.get_mut(index) {
                    *place = reply;
                }
            }
        }
        Ok(replies)
    }

    async fn run_some(
        self: &Arc<Self>,
        steps: &[&Step],
        which: &[usize],
        in_full: bool,
        asking: bool,
        budget: &mut Budget,
    ) -> Result<Vec<Reply>, Unavailable> {
        let mut pipeline = redis::pipe();
        for step in which.iter().filter_map(|index| steps.get(*index)) {
            if asking {
                pipeline.cmd("ASKING");
            }
            pipeline.add_command(step.command(in_full));
        }
        let replies = self.ask_all(&pipeline, budget).await?;
        if asking {
            return Ok(replies.into_iter().skip(1).step_by(2).collect());
        }
        Ok(replies)
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

    /// Whether the connection answers at all.
    fn judge<T>(
        self: &Arc<Self>,
        epoch: u64,
        reply: Option<Result<T, RedisError>>,
    ) -> Result<Result<T, RedisError>, Unavailable> {
        let Some(reply) = reply else {
            if self.strikes.fetch_add(1, Ordering::Relaxed) + 1 >= STRIKES {
                self.lose(epoch, "no answer in time");
            }
            return Err(Unavailable);
        };
        if let Err(error) = &reply {
            self.weigh(epoch, error);
            if error.is_unrecoverable_error() {
                return Err(Unavailable);
            }
        }
        if self.strikes.load(Ordering::Relaxed) != 0 {
            self.strikes.store(0, Ordering::Relaxed);
        }
        Ok(reply)
    }

    /// Whether an error is one of the connection, or of the command alone.
    fn weigh(self: &Arc<Self>, epoch: u64, error: &RedisError) {
        if error.is_unrecoverable_error() || is_read_only(error) {
            self.lose(epoch, &describe(error));
        } else if error.kind() != ErrorKind::Server(ServerErrorKind::NoScript) {
            tracing::debug!(
                address = self.address(),
                error = describe(error),
                "Redis refused a command"
            );
        }
    }

    /// Gives up the connection of this epoch. Of many who notice, one does it.
    pub(super) fn lose(self: &Arc<Self>, epoch: u64, reason: &str) {
        {
            let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
            match &*state {
                State::Up { epoch: current, .. } if *current == epoch => *state = State::Down,
                _ => return,
            }
        }
        tracing::warn!(
            address = self.address(),
            reason,
            "Redis is gone; the cache goes on without it"
        );
        lock(&self.facts).last_error = Some(reason.to_owned());
        if let Some(tracking) = &self.tracking {
            tracking.interrupted();
        }
        self.changed.notify_waiters();
        self.wake();
    }

    pub(super) async fn ping(self: &Arc<Self>, limit: Duration) -> Option<Duration> {
        let asked = std::time::Instant::now();
        self.ask(&redis::cmd("PING"), &mut Budget::new(limit))
            .await
            .ok()?
            .ok()?;
        let latency = asked.elapsed();
        lock(&self.facts).latency = Some(latency);
        Some(latency)
    }

    /// Waits for a connection, for `limit` at most.
    pub(super) async fn wait_until_up(self: &Arc<Self>, limit: Duration) -> bool {
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

    /// Waits until the connection is gone, whether or not there is another one by then.
    pub(super) async fn until_gone(&self) {
        let epoch = self.epoch();
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if self.is_down() || self.epoch() != epoch {
                return;
            }
            changed.await;
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = State::Down;
        self.woken.notify_one();
        self.changed.notify_waiters();
    }
}

/// What comes of a command, if anything does.
pub(super) fn accepted(reply: Reply) -> Result<Value, Unavailable> {
    reply.map_err(|_| Unavailable)
}

pub(super) fn is_server_error(reply: &Reply, kind: ServerErrorKind) -> bool {
    matches!(reply, Err(error) if error.kind() == ErrorKind::Server(kind))
}

/// An error of the client without anything that the user typed.
pub(super) fn describe(error: &RedisError) -> String {
    match error.code() {
        Some(code) => code.to_owned(),
        // Such as "Connection refused": what the operating system says.
        None if error.is_io_error() => error.to_string(),
        None => error.category().to_owned(),
    }
}

/// Whether a server refused to write because it is a replica. Before version 7 it says so of a script inside of another error.
pub(super) fn is_read_only(error: &RedisError) -> bool {
    match error.kind() {
        ErrorKind::Server(ServerErrorKind::ReadOnly) => true,
        ErrorKind::Server(_) => error
            .detail()
            .is_some_and(|detail| detail.contains(": -READONLY ")),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn l3_a_read_only_server_is_known_by_what_it_says_of_commands_and_of_scripts() {
        let error =
            |kind, detail: &str| RedisError::from((ErrorKind::Server(kind), "An error", detail.to_owned()));
        assert!(is_read_only(&error(
            ServerErrorKind::ReadOnly,
            "You can't write against a read only replica."
        )));
        let of_a_script = "Error running script (call to f_67ed): @user_script:1: @user_script: 1: -READONLY You can't write";
        assert!(is_read_only(&error(ServerErrorKind::ResponseError, of_a_script)));
        assert!(!is_read_only(&error(
            ServerErrorKind::ResponseError,
            "wrong number of arguments"
        )));
    }
}
