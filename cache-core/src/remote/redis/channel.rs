//! The channel on which processes tell each other what was invalidated: its messages, and the task that listens.
//! It does not act on them; its [`Ears`] do. Invariant: whoever listens is told when the channel is lost before it is
//! told that it is back, and nothing is taken to be heard before the server has confirmed the subscription.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::sync::Notify;

use super::link::Link;

/// How often a silent channel is tested, and how long an answer may take.
const HEARTBEAT: Duration = Duration::from_secs(1);
const RETRY: Duration = Duration::from_millis(100);

/// A message: who sent it, and what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) sender: u64,
    pub(crate) kind: u8,
    pub(crate) name: String,
}

impl Message {
    const VERSION: &'static str = "1";

    pub(crate) fn write(&self) -> String {
        format!(
            "{} {:016x} {} {}",
            Self::VERSION,
            self.sender,
            char::from(self.kind),
            self.name
        )
    }

    /// Reads a message. What cannot be read may be of a newer version, and must be taken to be about everything.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let mut parts = std::str::from_utf8(bytes).ok()?.splitn(4, ' ');
        if parts.next()? != Self::VERSION {
            return None;
        }
        let sender = u64::from_str_radix(parts.next()?, 16).ok()?;
        let kind = *parts.next()?.as_bytes().first()?;
        Some(Self {
            sender,
            kind,
            name: parts.next()?.to_owned(),
        })
    }
}

/// Who is told what the channel carries.
pub(crate) trait Ears: Send + Sync + 'static {
    /// A message of another process, or one that cannot be read.
    fn heard(&self, message: Option<Message>);
    /// From now on messages may be missed.
    fn lost(&self);
    /// Messages are heard again.
    fn subscribed(&self);
}

/// The listener of one manager.
#[derive(Debug)]
pub(crate) struct Channel {
    pub(crate) name: String,
    pub(crate) sender: u64,
    running: AtomicBool,
    hears: AtomicBool,
    changed: Notify,
}

impl Channel {
    pub(crate) fn new(prefix: &str) -> Self {
        Self {
            name: format!("{prefix}%invalidations"),
            sender: crate::generations::fresh_nonce(),
            running: AtomicBool::new(false),
            hears: AtomicBool::new(false),
            changed: Notify::new(),
        }
    }

    /// Whether messages are heard.
    pub(crate) fn hears(&self) -> bool {
        self.hears.load(Ordering::Acquire)
    }

    /// Waits until messages are heard, for `limit` at most.
    pub(crate) async fn wait_until_heard(&self, limit: Duration) {
        let wait = async {
            loop {
                let mut changed = std::pin::pin!(self.changed.notified());
                changed.as_mut().enable();
                if self.hears() {
                    return;
                }
                changed.await;
            }
        };
        let _ = tokio::time::timeout(limit, wait).await;
    }

    /// Starts the task that listens, unless it runs.
    pub(crate) fn listen<E: Ears>(self: &Arc<Self>, link: &Arc<Link>, ears: Weak<E>) {
        if self.running.load(Ordering::Relaxed) || self.running.swap(true, Ordering::AcqRel) {
            return;
        }
        let task = Listening {
            channel: Arc::clone(self),
            link: Arc::downgrade(link),
            ears,
        };
        // Dropped here or with its runtime, the task can be started again by the next caller.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(task.run());
        }
    }
}

struct Listening<E: Ears> {
    channel: Arc<Channel>,
    link: Weak<Link>,
    ears: Weak<E>,
}

impl<E: Ears> Listening<E> {
    async fn run(self) {
        loop {
            let Some(link) = self.link.upgrade().filter(|link| !link.is_closed()) else {
                return;
            };
            // The link finds out when the server is there; without it there is nothing to subscribe to.
            if link.wait_until_up(HEARTBEAT).await {
                let _ = self.session(&link).await;
                self.lose();
            }
            drop(link);
            tokio::time::sleep(RETRY).await;
            if self.ears.strong_count() == 0 {
                return;
            }
        }
    }

    async fn session(&self, link: &Arc<Link>) -> Option<()> {
        let pubsub = tokio::time::timeout(HEARTBEAT, link.client().get_async_pubsub())
            .await
            .ok()?
            .ok()?;
        let (mut sink, mut stream) = pubsub.split();
        tokio::time::timeout(HEARTBEAT, sink.subscribe(&self.channel.name))
            .await
            .ok()?
            .ok()?;
        // Before, so that nothing trusts what was known while messages were missed; and after, for what began before.
        self.ears.upgrade()?.subscribed();
        self.channel.hears.store(true, Ordering::Release);
        self.ears.upgrade()?.subscribed();
        self.channel.changed.notify_waiters();
        loop {
            match tokio::time::timeout(HEARTBEAT, stream.next()).await {
                Ok(Some(message)) => {
                    let message = Message::read(message.get_payload_bytes());
                    // Of two processes that replace one nonce, each has to end with the one that came last.
                    if message
                        .as_ref()
                        .is_none_or(|message| message.sender != self.channel.sender || message.kind == b'g')
                    {
                        self.ears.upgrade()?.heard(message);
                    }
                }
                Ok(None) => return None,
                Err(_) => {
                    if link.is_closed() || self.ears.strong_count() == 0 {
                        return None;
                    }
                    tokio::time::timeout(HEARTBEAT, sink.ping::<redis::Value>())
                        .await
                        .ok()?
                        .ok()?;
                }
            }
        }
    }

    fn lose(&self) {
        if self.channel.hears.swap(false, Ordering::AcqRel)
            && let Some(ears) = self.ears.upgrade()
        {
            ears.lost();
        }
    }
}

impl<E: Ears> Drop for Listening<E> {
    fn drop(&mut self) {
        self.lose();
        self.channel.running.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::Message;

    #[test]
    fn a_message_is_read_as_it_was_written() {
        let message = Message {
            sender: 7,
            kind: b'k',
            name: "lead:a b".into(),
        };
        assert_eq!(Message::read(message.write().as_bytes()), Some(message));
        assert_eq!(Message::read(b"2 whatever"), None);
    }
}
