//! The beats of a process: it tells the others how many messages it has sent, so that the last one is missed as well, and
//! sends an echo to itself, over the connection that commands go over. It does not listen; whoever does tells it of the
//! echo. Invariant: a server that takes an echo and does not bring it back is not the one that is listened to.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use super::{Channel, Message};
use crate::remote::Budget;
use crate::remote::redis::nodes::Nodes;

/// The task that beats, for as long as this is held.
pub(super) struct Beats(tokio::task::JoinHandle<()>);

impl Beats {
    /// `echoes` says whether an echo would be heard.
    pub(super) fn start(channel: &Arc<Channel>, nodes: &Arc<Nodes>, echoes: bool) -> Self {
        let task = beat(Arc::clone(channel), Arc::downgrade(nodes), echoes);
        Self(tokio::spawn(task))
    }

    /// Whether an echo has not come back.
    pub(super) fn are_unheard(&self) -> bool {
        self.0.is_finished()
    }
}

impl Drop for Beats {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn beat(channel: Arc<Channel>, nodes: Weak<Nodes>, echoes: bool) {
    let mut told = channel.sent.load(Ordering::SeqCst);
    // Whoever has sent something before is to say how much, so that the next one is missed.
    let mut asks = true;
    let mut echo = channel.echoed.load(Ordering::SeqCst);
    loop {
        let Some(nodes) = nodes.upgrade() else { return };
        let mut budget = Budget::new(channel.pace);
        let sent = channel.sent.load(Ordering::SeqCst);
        let mut messages = Vec::new();
        if asks {
            messages.push(channel.own(0, Message::WHO));
        }
        let asked = channel.asked.swap(false, Ordering::SeqCst);
        if asked || sent != told {
            messages.push(channel.own(sent, Message::BEAT));
        }
        let mut commands = redis::pipe();
        for message in &messages {
            commands.cmd("PUBLISH").arg(&channel.name).arg(message.write());
        }
        let expected = echo + 1;
        if echoes {
            commands.cmd("PUBLISH").arg(&channel.echo_name).arg(expected);
        }
        // Without a connection there is nobody to tell; the connection is looked after elsewhere.
        let mut taken = false;
        if !commands.is_empty() && nodes.is_up() {
            let replies = nodes.send_anywhere(&commands, &mut budget).await;
            taken = replies.is_ok_and(|replies| replies.iter().all(Result::is_ok));
        }
        if taken {
            (asks, told) = (false, sent);
        } else if asked {
            channel.asked.store(true, Ordering::SeqCst);
        }
        drop(nodes);
        tokio::time::sleep(channel.pace).await;
        if taken && echoes {
            if channel.echoed.load(Ordering::SeqCst) < expected {
                return;
            }
            echo = expected;
        }
    }
}
