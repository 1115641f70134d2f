//! What a call does about time while it waits: signs of life, and the bounds on its caller's wait. It says what is due and
//! does nothing about it. Invariant: with a lease, the task is woken often enough for those who wait to see that the load
//! is alive.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use super::load::Ticket;
use super::site::Site;
use crate::codec::{Codec, Content};

/// What a call does about time: signs of life, and the bounds on its caller's wait.
#[derive(Default)]
pub(crate) struct Patience {
    /// Until when the caller waits for something fresh.
    soft: Option<Instant>,
    /// Until when it waits at all.
    hard: Option<Instant>,
    sign: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
    /// What it takes to find an older value while the ticket is on its way; nothing without bounds.
    shadow: Option<Box<Ticket>>,
}

/// What it is time for.
pub(crate) enum Due {
    Nothing,
    /// The load is polled, so that those who wait see that it is alive.
    Sign,
    Soft,
    Hard,
}

impl Patience {
    /// Begins to count, unless that was done before or there is nothing to count to.
    pub(super) fn start(this: &mut Option<Box<Self>>, ticket: &mut Ticket) {
        let Some(site) = ticket
            .site
            .filter(|site| site.soft_timeout > 0 || site.hard_timeout > 0)
        else {
            return;
        };
        let this = this.get_or_insert_default();
        if this.shadow.is_none() {
            let now = Instant::now();
            let at = |bound: u64| (bound > 0).then(|| now + Duration::from_millis(bound));
            (this.soft, this.hard) = (at(site.soft_timeout), at(site.hard_timeout));
            this.shadow = Some(Box::new(Ticket {
                site: ticket.site,
                codec: ticket.codec,
                stale_if_error: ticket.stale_if_error,
                ..Ticket::new(
                    Arc::clone(&ticket.core),
                    Arc::clone(&ticket.key),
                    ticket.hash,
                    Arc::clone(&ticket.counters),
                )
            }));
        }
        if ticket.background {
            // Its caller has been served.
            this.soft = None;
        }
        ticket.soft_deadline = this.soft;
    }

    /// The function that is waited for, where there are bounds.
    pub(super) fn site(&self) -> Option<&'static Site> {
        self.shadow.as_ref()?.site
    }

    /// Has the task woken when the next thing is due, and tells what is. With a lease, the function runs, and is polled often
    /// enough for that.
    pub(crate) fn wait(&mut self, context: &mut Context<'_>, lease: Option<Duration>) -> Due {
        // Without a runtime there is no timer.
        if tokio::runtime::Handle::try_current().is_err() {
            return Due::Nothing;
        }
        let now = Instant::now();
        let sign = lease.map(|lease| *self.sign.get_or_insert(now + lease / 3));
        if self.hard.is_some_and(|hard| hard <= now) {
            self.hard = None;
            return Due::Hard;
        }
        if self.soft.is_some_and(|soft| soft <= now) {
            self.soft = None;
            return Due::Soft;
        }
        if sign.is_some_and(|sign| sign <= now) {
            self.sign = None;
            return Due::Sign;
        }
        let Some(next) = [self.soft, self.hard, sign].into_iter().flatten().min() else {
            return Due::Nothing;
        };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(next)));
        if timer.deadline() != next {
            timer.as_mut().reset(next);
        }
        match timer.as_mut().poll(context) {
            // It is looked at again at once.
            Poll::Ready(()) => Due::Sign,
            Poll::Pending => Due::Nothing,
        }
    }

    /// An older value in memory: for a caller whose time is up, or for one who would rather have it than wait.
    pub(super) fn stale(&self, failed: bool) -> Option<(Content, Option<Codec>)> {
        let shadow = self.shadow.as_ref()?;
        let content = if failed {
            shadow.stale_for_the_failed()?
        } else {
            shadow.stale_for_the_impatient(None)?.content
        };
        Some((content, shadow.codec))
    }
}
