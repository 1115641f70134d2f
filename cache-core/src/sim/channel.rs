//! The channel of invalidations in the model: what is published reaches each process later, in its order, or not at all
//! once the connection is lost. Invariant: a process that has missed something is told that it may have, before it is
//! told that it hears again.

use std::sync::Arc;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::sleep_until;

use super::world::{Floors, KEYS, State, World, raise};
use crate::remote::News;
use crate::remote::redis::{Ears as _, Message};

/// What a process gets to hear.
#[derive(Debug)]
pub(super) struct Note {
    at: u64,
    epoch: u64,
    /// Nothing for the word that the subscription stands.
    news: Option<News>,
    /// What nobody who has heard it may fall below.
    floors: Floors,
}

impl State {
    /// Sends to all who are linked.
    pub(super) fn publish(&mut self, sender: usize, news: &News, floors: Floors) {
        self.say(|_| format!("n{sender} publishes {} {}", char::from(news.kind), shown(news)));
        for node in 0..self.nodes.len() {
            // A process hears its own messages about generations alone.
            if self.nodes[node].linked && (node != sender || news.kind == b'g') {
                let delay = if self.rng.chance(60) {
                    self.rng.below(3)
                } else {
                    self.rng.below(25)
                };
                self.send(node, delay, Some(news.clone()), floors);
            }
        }
    }

    fn send(&mut self, node: usize, delay: u64, news: Option<News>, floors: Floors) {
        let now = self.now();
        let receiver = &mut self.nodes[node];
        let at = receiver.last_note.max(now + delay);
        receiver.last_note = at;
        let message = Note {
            at,
            epoch: receiver.epoch,
            news,
            floors,
        };
        if let Some(line) = &receiver.line {
            let _ = line.send(message);
        }
    }

    /// Links a process to the channel; it knows so after `delay`.
    pub(super) fn link(&mut self, node: usize, delay: u64) {
        self.say(|_| format!("n{node} is linked"));
        self.nodes[node].linked = true;
        self.send(node, delay, None, [0; KEYS]);
    }
}

/// Without the nonce, which differs from run to run.
fn shown(news: &News) -> &str {
    if news.kind == b'g' {
        news.name.split_once(' ').map_or("", |(_, name)| name)
    } else {
        &news.name
    }
}

/// Starts the listener of a process.
pub(super) fn listen(world: &Arc<World>, node: usize) {
    let (sender, heard) = unbounded_channel();
    let mut state = world.lock();
    let life = state.nodes[node].life;
    state.nodes[node].line = Some(sender);
    drop(state);
    tokio::spawn(deliver(Arc::clone(world), node, life, heard));
}

async fn deliver(world: Arc<World>, node: usize, life: u64, mut heard: UnboundedReceiver<Note>) {
    while let Some(note) = heard.recv().await {
        let at = world.lock().at(note.at);
        sleep_until(at).await;
        let mut state = world.lock();
        if !state.lives(node, life) {
            return;
        }
        if state.nodes[node].epoch != note.epoch {
            continue;
        }
        let Some(core) = state.nodes[node].core.upgrade() else {
            return;
        };
        if let Some(news) = note.news {
            state.say(|_| format!("n{node} hears {} {}", char::from(news.kind), shown(&news)));
            raise(&mut state.nodes[node].floor, &note.floors);
            let now = state.now();
            for (key, floor) in note.floors.iter().enumerate() {
                if *floor > 0 {
                    state.nodes[node].excused[key] = now;
                }
            }
            drop(state);
            core.heard(Some(Message {
                sender: 0,
                number: 0,
                kind: news.kind,
                name: news.name,
            }));
        } else {
            state.say(|_| format!("n{node} hears again"));
            let (deleted, renewed, now) = (state.deleted, state.renewed, state.now());
            let node = &mut state.nodes[node];
            node.hears = true;
            node.deaf_since = None;
            node.excused = [now; KEYS];
            raise(&mut node.floor, &deleted);
            raise(&mut node.floor, &renewed);
            drop(state);
            core.subscribed();
        }
    }
}

/// The connection of a listener breaks; it finds out after `notice`, and is linked again `back` later.
pub(super) fn lose(world: &Arc<World>, node: usize, notice: u64, back: u64) {
    let mut state = world.lock();
    if !state.nodes[node].linked {
        return;
    }
    state.say(|_| format!("n{node} loses the channel"));
    state.nodes[node].linked = false;
    state.nodes[node].epoch += 1;
    let life = state.nodes[node].life;
    let now = state.now();
    let (known, linked) = (state.at(now + notice), state.at(now + notice + back));
    drop(state);
    let world = Arc::clone(world);
    tokio::spawn(async move {
        sleep_until(known).await;
        let core = {
            let mut state = world.lock();
            if !state.lives(node, life) {
                return;
            }
            state.say(|_| format!("n{node} knows that it is deaf"));
            let now = state.now();
            let node = &mut state.nodes[node];
            if std::mem::take(&mut node.hears) {
                node.deaf_since = Some(now);
                node.core.upgrade()
            } else {
                None
            }
        };
        if let Some(core) = core {
            core.lost(std::time::Duration::ZERO);
        }
        sleep_until(linked).await;
        let mut state = world.lock();
        if state.lives(node, life) {
            let delay = state.rng.below(4);
            state.link(node, delay);
        }
    });
}
