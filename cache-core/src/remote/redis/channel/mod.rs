//! The channel on which processes tell each other what was invalidated, and the task that listens.
//! It does not act on messages; its [`Ears`] do. Invariant: whoever listens is told when the channel is lost before it is
//! told that it is back, and nothing is taken to be heard before the server has confirmed the subscription. A message that
//! does not come is missed by its number.

mod beat;
mod message;
mod senders;

use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::{Either, select};
use tokio::sync::Notify;

use super::nodes::Nodes;
use super::tracking::Written;
use crate::clock;
use crate::config::duration::millis;
use crate::remote::News;
use beat::Beats;
pub(crate) use message::Message;
use senders::Senders;

/// How long the server may take to subscribe, and to answer whether a silent connection still stands.
const PATIENCE: Duration = Duration::from_secs(1);
const RETRY: Duration = Duration::from_millis(100);

/// Who is told what the channel carries.
pub(crate) trait Ears: Send + Sync + 'static {
    /// A message of another process, or one that cannot be read.
    fn heard(&self, message: Option<Message>);
    /// Messages may be missed, and may have been for this long.
    fn lost(&self, since: Duration);
    /// Messages are heard again.
    fn subscribed(&self);
    /// A message was missed, though the channel stands.
    fn missed(&self);
    /// Another program has written what is under this key, the prefix included, or all of it.
    fn written(&self, key: Option<&[u8]>);
}

/// The listener of one manager.
#[derive(Debug)]
pub(crate) struct Channel {
    pub(crate) name: String,
    /// Where this process hears itself.
    echo_name: String,
    sender: u64,
    /// Between two beats.
    pace: Duration,
    /// The number of the last message.
    sent: AtomicU64,
    /// Whether somebody wants to know that number.
    asked: AtomicBool,
    /// The last echo that came back.
    echoed: AtomicU64,
    /// When the channel was last known to carry messages.
    proven: AtomicU64,
    /// How often a message was missed.
    gaps: AtomicU64,
    running: AtomicBool,
    hears: AtomicBool,
    changed: Notify,
}

impl Channel {
    /// `degraded_ttl` is how long a copy in memory may be served while nothing is heard. The loss has to be noticed well before.
    pub(crate) fn new(prefix: &str, degraded_ttl: Duration) -> Self {
        let sender = crate::generations::fresh_nonce();
        Self {
            name: format!("{prefix}%invalidations"),
            echo_name: format!("{prefix}%invalidations:{sender:016x}"),
            sender,
            pace: (degraded_ttl / 4).clamp(Duration::from_millis(100), Duration::from_secs(1)),
            sent: AtomicU64::new(0),
            asked: AtomicBool::new(false),
            echoed: AtomicU64::new(0),
            proven: AtomicU64::new(0),
            gaps: AtomicU64::new(0),
            running: AtomicBool::new(false),
            hears: AtomicBool::new(false),
            changed: Notify::new(),
        }
    }

    /// The message that tells of something. It has a number unless it may be missed, or there is no connection to send it over.
    pub(crate) fn message(&self, news: &News, connected: bool) -> Message {
        let number = if news.kind == News::LOADED || !connected {
            0
        } else {
            self.sent.fetch_add(1, Ordering::SeqCst) + 1
        };
        Message {
            name: news.name.clone(),
            ..self.own(number, news.kind)
        }
    }

    fn own(&self, number: u64, kind: u8) -> Message {
        Message {
            sender: self.sender,
            number,
            kind,
            name: String::new(),
        }
    }

    /// Whether messages are heard.
    pub(crate) fn hears(&self) -> bool {
        self.hears.load(Ordering::Acquire)
    }

    /// How often a message of another process was missed while the channel stood.
    pub(crate) fn gaps(&self) -> u64 {
        self.gaps.load(Ordering::Relaxed)
    }

    fn prove(&self) {
        self.proven.store(clock::now(), Ordering::Relaxed);
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
    pub(crate) fn listen<E: Ears>(self: &Arc<Self>, nodes: &Arc<Nodes>, ears: Weak<E>) {
        if self.running.load(Ordering::Relaxed) || self.running.swap(true, Ordering::AcqRel) {
            return;
        }
        let task = Listening {
            channel: Arc::clone(self),
            nodes: Arc::downgrade(nodes),
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
    nodes: Weak<Nodes>,
    ears: Weak<E>,
}

impl<E: Ears> Listening<E> {
    async fn run(self) {
        loop {
            let Some(nodes) = self.nodes.upgrade().filter(|nodes| !nodes.is_closed()) else {
                return;
            };
            // The links find out when a server is there; without one there is nothing to subscribe to.
            if nodes.wait_until_up(PATIENCE).await {
                let _ = self.session(&nodes).await;
                self.lose();
            }
            drop(nodes);
            tokio::time::sleep(RETRY).await;
            if self.ears.strong_count() == 0 {
                return;
            }
        }
    }

    async fn session(&self, nodes: &Arc<Nodes>) -> Option<()> {
        let channel = &self.channel;
        let begun = clock::now();
        let tracking = nodes.tracking();
        let epoch = tracking.map_or(0, |tracking| tracking.epoch());
        if tracking.is_some() && !nodes.are_tracked() {
            return None;
        }
        let mut written = match tracking {
            Some(tracking) => Some(tracking.inbox.lock().await),
            None => None,
        };
        let post = nodes.post()?;
        let pubsub = tokio::time::timeout(PATIENCE, post.client.get_async_pubsub())
            .await
            .ok()?
            .ok()?;
        let (mut sink, mut stream) = pubsub.split();
        tokio::time::timeout(PATIENCE, sink.subscribe(&channel.name))
            .await
            .ok()?
            .ok()?;
        // A user who may not hear its echo is no reason to be deaf.
        let echoes = tokio::time::timeout(PATIENCE, sink.subscribe(&channel.echo_name))
            .await
            .ok()?
            .is_ok();
        let is_back = channel.proven.swap(begun, Ordering::Relaxed) > 0;
        // Before, so that nothing trusts what was known while messages were missed; and after, for what began before.
        self.ears.upgrade()?.subscribed();
        channel.hears.store(true, Ordering::Release);
        self.ears.upgrade()?.subscribed();
        channel.changed.notify_waiters();
        if is_back {
            tracing::info!("the channel of invalidations is back");
        }
        let beats = Beats::start(channel, nodes, echoes);
        let mut senders = Senders::default();
        let interrupted = async {
            match tracking {
                Some(tracking) => tracking.interruption(epoch).await,
                None => std::future::pending().await,
            }
        };
        let (ended, interrupted) = (pin!(nodes.end_of(&post)), pin!(interrupted));
        let mut over = select(ended, interrupted);
        loop {
            let next = pin!(tokio::time::timeout(channel.pace, stream.next()));
            let told = pin!(async {
                match &mut written {
                    Some(written) => written.recv().await,
                    None => std::future::pending().await,
                }
            });
            let next = match select(select(next, told), &mut over).await {
                Either::Left((Either::Left((next, _)), _)) => next,
                Either::Left((Either::Right((written, _)), _)) => {
                    let ears = self.ears.upgrade()?;
                    match written? {
                        Written::Key(key) => ears.written(Some(&key)),
                        Written::Everything => ears.written(None),
                    }
                    continue;
                }
                Either::Right(_) => return None,
            };
            match next {
                Ok(Some(message)) if message.get_channel_name() == channel.echo_name => {
                    if let Ok(echo) = message.get_payload::<u64>() {
                        channel.echoed.fetch_max(echo, Ordering::SeqCst);
                        channel.prove();
                    }
                }
                Ok(Some(message)) => self.hear(Message::read(message.get_payload_bytes()), &mut senders)?,
                Ok(None) => return None,
                Err(_) => {
                    if nodes.is_closed() || self.ears.strong_count() == 0 {
                        return None;
                    }
                    // Echoes prove it, if they can be sent.
                    let asked = clock::now();
                    let proven = channel.proven.load(Ordering::Relaxed);
                    if asked.saturating_sub(proven) >= 2 * millis(channel.pace) {
                        // The loss is noticed while memory may still serve.
                        tokio::time::timeout(channel.pace, sink.ping::<redis::Value>())
                            .await
                            .ok()?
                            .ok()?;
                        channel.proven.store(asked, Ordering::Relaxed);
                    }
                }
            }
            if senders.is_one_missing(clock::now()) {
                channel.gaps.fetch_add(1, Ordering::Relaxed);
                self.ears.upgrade()?.missed();
            }
            if beats.are_unheard() {
                return None;
            }
        }
    }

    fn hear(&self, message: Option<Message>, senders: &mut Senders) -> Option<()> {
        let channel = &self.channel;
        if let Some(message) = &message {
            // Of two processes that replace one nonce, each has to end with the one that came last.
            if message.sender == channel.sender && message.kind != b'g' {
                return Some(());
            }
            match (message.kind, message.number) {
                (Message::WHO, _) => {
                    channel.asked.store(true, Ordering::SeqCst);
                    return Some(());
                }
                (Message::BEAT, sent) => {
                    senders.sent(message.sender, sent, clock::now());
                    return Some(());
                }
                (_, number) if number > 0 && message.sender != channel.sender => {
                    senders.heard(message.sender, number, clock::now());
                }
                _ => {}
            }
        }
        self.ears.upgrade()?.heard(message);
        Some(())
    }

    fn lose(&self) {
        if self.channel.hears.swap(false, Ordering::AcqRel)
            && let Some(ears) = self.ears.upgrade()
        {
            let since = clock::now().saturating_sub(self.channel.proven.load(Ordering::Relaxed));
            ears.lost(Duration::from_millis(since));
        }
    }
}

impl<E: Ears> Drop for Listening<E> {
    fn drop(&mut self) {
        self.lose();
        self.channel.running.store(false, Ordering::Release);
    }
}
