//! What is written under the prefix by whatever program, as the servers tell it: client tracking, on the connections that
//! commands go over. Servers tell of what a script of this very connection has written too, so that what a process loads goes
//! into its memory with the read after. It does not act on what it is told; the listener of the channel does, and takes the
//! loss of one of these connections for the loss of the channel.
//! Invariant: what was written while a connection was not tracked is never taken to have been told.

use std::sync::atomic::{AtomicU64, Ordering};

use redis::aio::MultiplexedConnection;
use redis::{PushInfo, PushKind, RedisError, Value};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Mutex, Notify};

/// What was written.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// What is under this key, the prefix included.
    Key(Vec<u8>),
    /// Whatever there is: the server was emptied.
    Everything,
}

#[derive(Debug)]
pub(super) struct Tracking {
    prefix: String,
    sender: UnboundedSender<Written>,
    pub(super) inbox: Mutex<UnboundedReceiver<Written>>,
    /// Another number whenever something may have been missed.
    epoch: AtomicU64,
    /// Wakes who waits for another number.
    changed: Notify,
}

impl Tracking {
    pub(super) fn new(prefix: &str) -> Self {
        let (sender, inbox) = unbounded_channel();
        Self {
            prefix: prefix.to_owned(),
            sender,
            inbox: Mutex::new(inbox),
            epoch: AtomicU64::new(0),
            changed: Notify::new(),
        }
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::SeqCst)
    }

    /// A connection was made or lost: what was written before is not known.
    pub(super) fn interrupted(&self) {
        self.epoch.fetch_add(1, Ordering::SeqCst);
        self.changed.notify_waiters();
    }

    /// Waits until something may have been missed since `epoch`.
    pub(super) async fn interruption(&self, epoch: u64) {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if self.epoch() != epoch {
                return;
            }
            changed.await;
        }
    }

    /// Takes what the server says beside its replies. It runs where replies are read, so it only passes it on.
    pub(super) fn pushed(&self, push: PushInfo) {
        if push.kind == PushKind::Disconnection {
            self.interrupted();
            return;
        }
        if push.kind != PushKind::Invalidate {
            return;
        }
        // Nobody hears it where nobody listens, and then nothing of it is needed.
        match push.data.into_iter().next() {
            Some(Value::Array(keys)) => {
                for key in keys {
                    if let Value::BulkString(key) = key {
                        let _ = self.sender.send(Written::Key(key));
                    }
                }
            }
            _ => {
                let _ = self.sender.send(Written::Everything);
            }
        }
    }

    /// Has the server tell this connection what is written.
    pub(super) async fn begin(&self, connection: &mut MultiplexedConnection) -> Result<(), RedisError> {
        let mut command = redis::cmd("CLIENT");
        command.arg("TRACKING").arg("ON").arg("BCAST").arg("NOLOOP");
        if !self.prefix.is_empty() {
            command.arg("PREFIX").arg(&self.prefix);
        }
        command.query_async(connection).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invalidate(data: Vec<Value>) -> PushInfo {
        PushInfo {
            kind: PushKind::Invalidate,
            data,
        }
    }

    #[tokio::test]
    async fn t4_keys_and_the_emptying_of_a_server_are_told_and_nothing_else() {
        let tracking = Tracking::new("app:");
        let keys = ["app:a", "app:b"].map(|key| Value::BulkString(key.into()));
        tracking.pushed(invalidate(vec![Value::Array(keys.to_vec())]));
        tracking.pushed(PushInfo {
            kind: PushKind::Message,
            data: vec![Value::BulkString(b"app:c".to_vec())],
        });
        tracking.pushed(invalidate(vec![Value::Nil]));
        let mut inbox = tracking.inbox.lock().await;
        let told: Vec<Written> = std::iter::from_fn(|| inbox.try_recv().ok()).collect();
        let key = |key: &str| Written::Key(key.into());
        assert_eq!(told, [key("app:a"), key("app:b"), Written::Everything]);
    }

    #[tokio::test]
    async fn t4_a_connection_that_is_lost_is_an_interruption() {
        let tracking = Tracking::new("");
        let epoch = tracking.epoch();
        tracking.pushed(PushInfo {
            kind: PushKind::Disconnection,
            data: Vec::new(),
        });
        tracking.interruption(epoch).await;
        assert_ne!(tracking.epoch(), epoch);
    }
}
