//! The duty to lead a load, from its first poll to its landing: signs of life, what those who wait are told, and the claim
//! in the shared tier. Invariant: whoever lands a flight gives back what it may hold there.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;

use super::super::Core;
use super::super::standing::Standing;
use super::settle::Left;
use crate::codec::Content;
use crate::flight::{Flight, Lead, Outcome, Waiter};
use crate::generations::Snapshot;
use crate::memory::Draft;
use crate::remote::guard::End;
use crate::remote::{Budget, News, Remote};

/// The duty to lead a load; dropped, it leaves the key to others.
pub(crate) struct Run {
    pub(super) core: Arc<Core>,
    pub(super) lead: Option<Lead>,
    /// Whether the flight ended with what this run gave; then this run is the one that forgets it.
    pub(super) spoke: bool,
    pub(super) flight: Arc<Flight>,
    /// The name of this run in the shared tier.
    pub(super) token: u64,
    pub(super) budget: Budget,
    /// What the load depends on, as it stood before the function began.
    pub(super) standing: Standing,
    /// Which servers it asked for that; nothing when none was known.
    pub(super) origin: u64,
    /// When it was last said in the shared tier that this load is alive, while the key is held for it there.
    pub(super) claimed: Option<Instant>,
    /// An older value that was in the shared tier.
    pub(super) stale: Option<Draft>,
    /// Set while the user's closures look at the value: a panic in them is one of the function.
    pub(crate) judged: bool,
}

impl Run {
    pub(super) fn new(core: &Arc<Core>, lead: Lead, standing: Standing) -> Box<Self> {
        Box::new(Self {
            core: Arc::clone(core),
            flight: Arc::clone(lead.flight()),
            token: lead.token(),
            lead: Some(lead),
            spoke: false,
            budget: core.budget(),
            standing,
            origin: 0,
            claimed: None,
            stale: None,
            judged: false,
        })
    }

    /// Polls the caller's function.
    pub(crate) fn poll(
        &mut self,
        context: &mut Context<'_>,
        poll: &mut dyn FnMut(&mut Context<'_>) -> Poll<()>,
    ) -> Poll<()> {
        self.stay_alive();
        match &mut self.lead {
            Some(lead) => Lead::poll(&mut [lead], context, poll),
            None => poll(context),
        }
    }

    /// Polls a function that loads the keys of all these.
    pub(crate) fn poll_together(
        runs: &mut dyn Iterator<Item = &mut Self>,
        context: &mut Context<'_>,
        poll: &mut dyn FnMut(&mut Context<'_>) -> Poll<()>,
    ) -> Poll<()> {
        let mut leads: Vec<&mut Lead> = runs
            .filter_map(|run| {
                run.stay_alive();
                run.lead.as_mut()
            })
            .collect();
        Lead::poll(&mut leads, context, poll)
    }

    /// Keeps the claim, if it is time for that.
    fn stay_alive(&mut self) {
        let third = self.core.config.lease / 3;
        if let Some(alive) = self.claimed.as_mut().filter(|alive| alive.elapsed() >= third) {
            *alive = Instant::now();
            self.core
                .about_claim(&self.flight, |core, remote, key, token| async move {
                    let lease = core.config.lease;
                    // Without it the claim ends early, and the result is not stored.
                    let _ = remote.renew(&key, token, lease, &mut core.budget()).await;
                });
        }
    }

    /// Tells those who wait. Who comes now is told the same, until the result is stored.
    pub(super) fn tell(&mut self, outcome: Outcome) {
        if let Some(mut lead) = self.lead.take() {
            lead.end(outcome);
            self.spoke = lead.spoke();
        }
    }

    /// Tells those who wait, and lets nobody else join. One who was replaced has nothing to say.
    pub(super) fn end(&mut self, outcome: Outcome) {
        self.tell(outcome);
        if self.spoke {
            self.core.memory.close(&self.flight);
        }
    }

    /// Whether all that the load depends on is as it was.
    pub(super) fn stands(&self) -> bool {
        !self.flight.is_fenced() && self.standing.snapshots.iter().all(Snapshot::stands)
    }

    /// Whether the result may be stored on these servers. What was learnt from others may have been invalidated on them, in vain.
    pub(super) fn began_with(&self, origin: u64) -> bool {
        self.origin == 0 || self.origin == origin
    }

    /// Serves those who wait for this load with an older value.
    pub(crate) fn offer(&self, older: &Older) {
        self.flight.offer(older.content.clone(), older.until);
    }

    /// The end of a load of which nothing is stored: with an older value, if there is one, and the claim to be given back.
    pub(super) fn settled(
        &self,
        stale: Option<Content>,
        throttle: Duration,
    ) -> Result<Option<Content>, Left> {
        if self.claimed.is_some() {
            Err(Left::Release(stale, throttle))
        } else {
            Ok(stale)
        }
    }

    /// Gives the claim back.
    pub(super) async fn release(&mut self, end: End) {
        if self.claimed.is_none() || !self.spoke {
            return;
        }
        if let Some(remote) = &self.core.remote {
            let key = self.core.full_key(&self.flight.key);
            let news = News::loaded(&self.flight.key);
            let told = remote
                .release(&key, self.token, end, &news, &mut self.budget)
                .await;
            // If it could not be told, that is tried again when the flight is landed.
            if told.is_ok() {
                self.unclaim();
            }
        }
    }

    /// The token does not stand in the shared tier any more.
    pub(super) fn unclaim(&mut self) {
        self.claimed = None;
        if self.flight.token() == self.token {
            self.flight.set_claimed(false);
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if let Some(mut lead) = self.lead.take() {
            if self.judged {
                lead.end(Outcome::Panicked(Arc::from(
                    "the value of the load that this call waited for was refused by a panic",
                )));
            }
            self.spoke = lead.spoke();
        }
        if self.spoke {
            self.core.land(&self.flight);
        } else {
            // Whoever takes the flight over, or has it already, goes on with its claim.
            self.core.land_if_idle(&self.flight);
        }
    }
}

/// A value past its TTL.
pub(crate) struct Older {
    pub(crate) content: Content,
    /// Until when it may be served.
    pub(super) until: u64,
    /// Until when the function should not be tried again.
    pub(super) retry_at: u64,
}

impl Older {
    pub(super) fn of(draft: &Draft, window: u64) -> Self {
        Self {
            content: draft.content.clone(),
            until: draft.value_until.saturating_add(window),
            retry_at: draft.retry_at,
        }
    }
}

/// One who waits; the last one to leave a flight that nobody leads forgets it.
pub(crate) struct Waiting {
    pub(super) core: Arc<Core>,
    pub(super) waiter: Option<Waiter>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(waiter) = self.waiter.take() {
            let flight = Arc::clone(waiter.flight());
            drop(waiter);
            if flight.is_idle() {
                self.core.land_if_idle(&flight);
            }
        }
    }
}

/// The lead of a load whose caller has been served, until somebody goes on with it.
pub(crate) struct Reserved {
    pub(super) core: Arc<Core>,
    pub(super) lead: Option<Lead>,
}

impl Drop for Reserved {
    fn drop(&mut self) {
        if let Some(lead) = self.lead.take() {
            let flight = Arc::clone(lead.flight());
            drop(lead);
            self.core.land_if_idle(&flight);
        }
    }
}

impl Core {
    /// Forgets a flight that has come to its end, and gives back what it may hold in the shared tier.
    pub(super) fn land(self: &Arc<Self>, flight: &Arc<Flight>) {
        self.memory.land(flight);
        self.release(flight);
    }

    /// The same for one that nobody leads and nobody waits for.
    pub(super) fn land_if_idle(self: &Arc<Self>, flight: &Arc<Flight>) {
        if self.memory.land_if_idle(flight) {
            self.release(flight);
        }
    }

    pub(super) fn release(self: &Arc<Self>, flight: &Flight) {
        if flight.take_claimed() {
            let news = News::loaded(&flight.key);
            self.about_claim(flight, |_, remote, key, token| async move {
                // Nobody waits for this. If it cannot be told, the lease ends by itself.
                let mut budget = Budget::new(Duration::from_secs(2));
                let told = remote
                    .release(&key, token, End::Dropped, &news, &mut budget)
                    .await;
                // Others wait for the lease, which may be longer than the connection is away.
                if told.is_err() && remote.until_up(&mut budget).await {
                    let _ = remote
                        .release(&key, token, End::Dropped, &news, &mut budget)
                        .await;
                }
            });
        }
    }

    /// Does something about a claim that nobody waits for.
    fn about_claim<F>(
        self: &Arc<Self>,
        flight: &Flight,
        work: impl FnOnce(Arc<Self>, Remote, String, u64) -> F,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        if let (Some(remote), Ok(runtime)) = (&self.remote, tokio::runtime::Handle::try_current()) {
            let key = self.full_key(&flight.key);
            runtime.spawn(work(Arc::clone(self), remote.clone(), key, flight.token()));
        }
    }
}
