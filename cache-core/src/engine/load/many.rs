//! The loads of many elements that one call begins: each joined or led for itself, like any other, while the shared tier is
//! asked for all that are led together. It knows no types and runs no function. Invariant: what waits for a load of somebody
//! else never keeps those back that this call leads, so that two calls with the same elements in another order do not wait for
//! each other.

use std::collections::{BTreeMap, HashMap};
use std::pin::Pin;
use std::sync::Arc;

use tokio::time::Instant;

use super::super::read::{Fetched, Wanted};
use super::super::side_by_side::all;
use super::ask::Look;
use super::{Begun, Boarded, Loaded, Run, Stale, Ticket};
use crate::engine::standing::Standing;
use crate::engine::{Core, Names};
use crate::entry::Seen;
use crate::generations::{Generation, Snapshot};
use crate::planted::{Bug, planted};
use crate::remote::{Budget, Remote};

/// How the load of an element goes on.
pub(crate) enum Next {
    /// It is known: of the element with this number, with its ticket.
    Begun(usize, Box<Ticket>, Begun),
    /// It has to wait for somebody, and so may the others of these.
    Later(Later),
}

pub(crate) type Later = Pin<Box<dyn Future<Output = Vec<Next>> + Send>>;

/// An element whose load this call leads.
struct Led {
    index: usize,
    ticket: Box<Ticket>,
    names: Names,
    run: Box<Run>,
}

/// Begins the loads of elements, each with its number.
pub(crate) fn begin_all(core: &Arc<Core>, tickets: Vec<(usize, Box<Ticket>)>) -> Vec<Next> {
    let mut next = Vec::with_capacity(tickets.len());
    let mut ours = Vec::new();
    let mut replaced = Vec::new();
    for (index, ticket) in tickets {
        if ticket.refresh {
            replaced.push(begin(index, ticket));
            continue;
        }
        if let Some(begun) = ticket.leave_in_peace() {
            next.push(Next::Begun(index, ticket, begun));
            continue;
        }
        let names = ticket.names();
        match ticket.try_board(&names) {
            Boarded::Begun(begun) => next.push(Next::Begun(index, ticket, begun)),
            Boarded::Lead(lead, standing) => ours.push(Led {
                run: Run::new(core, lead, standing),
                index,
                ticket,
                names,
            }),
            Boarded::Wait(_) => next.push(Next::Later(Box::pin(
                async move { vec![begin(index, ticket).await] },
            ))),
        }
    }
    if !replaced.is_empty() {
        next.push(Next::Later(Box::pin(all(replaced))));
    }
    let tier = ours.first().map(|led| led.ticket.tier());
    match tier.and_then(|tier| core.shared(tier)) {
        Some(remote) => next.push(Next::Later(Box::pin(ask_all(
            Arc::clone(core),
            remote.clone(),
            ours,
        )))),
        None => next.extend(ours.into_iter().map(Led::take_off)),
    }
    next
}

/// One element, like a call of its own.
async fn begin(index: usize, mut ticket: Box<Ticket>) -> Next {
    let begun = ticket.begin().await;
    Next::Begun(index, ticket, begun)
}

/// Looks for the entries in the shared tier, and claims the keys of those that are of no use.
async fn ask_all(core: Arc<Core>, remote: Remote, mut led: Vec<Led>) -> Vec<Next> {
    #[cfg(feature = "redis")]
    core.listen();
    let mut budget = core.budget();
    for Led {
        ticket, names, run, ..
    } in &mut led
    {
        let names = names.iter().map(|generation| &generation.name);
        run.origin = core.origin(&remote, &ticket.key, names);
    }
    let fetched = fetch_all(&core, &remote, &led, &mut budget).await;
    let asked = led.into_iter().zip(fetched).map(|(mut led, fetched)| {
        // They ask at the same time, so what one takes, all take.
        led.run.budget = budget.part();
        led.ask(remote.clone(), fetched)
    });
    all(asked).await
}

/// Reads the entries, as many with one command as `INDEXING_BATCH_SIZE` says.
async fn fetch_all(core: &Arc<Core>, remote: &Remote, led: &[Led], budget: &mut Budget) -> Vec<Fetched> {
    if !core.pending.is_empty() {
        core.repeat();
    }
    // Nonces that are not known are asked for together, and not one entry after the other.
    let names: BTreeMap<&str, Arc<Generation>> = led
        .iter()
        .flat_map(|led| led.names.iter())
        .map(|generation| (&*generation.name, Arc::clone(generation)))
        .collect();
    let names: Vec<Arc<Generation>> = names.into_values().collect();
    let standing = core.snapshots(Some(remote), &names, budget).await;
    let standing: HashMap<&str, &Snapshot> = standing
        .iter()
        .map(|snapshot| (&*snapshot.generation.name, snapshot))
        .collect();
    let is_deaf = remote.is_deaf();
    let mut fetched = Vec::with_capacity(led.len());
    for piece in led.chunks(core.config.batch_size) {
        let keys = piece.iter().map(|led| core.full_key(&led.ticket.key)).collect();
        let replies = remote.get_many(keys, budget).await.unwrap_or_default();
        let mut replies = replies.into_iter();
        for Led {
            ticket, names, run, ..
        } in piece
        {
            let bytes = replies.next().flatten();
            // Redis still has what an invalidation that it did not take is about.
            let Some(bytes) = bytes.filter(|_| !core.pending.covers(&ticket.key)) else {
                fetched.push(Fetched::NOTHING);
                continue;
            };
            // Where nothing is heard of invalidations, each read would ask again.
            let of_entry = names.iter().filter(|_| is_deaf);
            let asked: Vec<Snapshot> = of_entry
                .filter_map(|generation| standing.get(&*generation.name))
                .map(|snapshot| (*snapshot).clone())
                .collect();
            let wanted = Wanted {
                asked: &asked,
                ..ticket.wanted(names, &run.standing)
            };
            fetched.push(core.decode(remote, &ticket.key, bytes, &wanted, budget).await);
        }
    }
    fetched
}

impl Led {
    /// Goes on with what was read: to the function, to a value, or to waiting for another process.
    async fn ask(mut self, remote: Remote, fetched: Fetched) -> Next {
        let Self {
            index,
            ticket,
            names,
            run,
        } = &mut self;
        let mut seen = Seen::EMPTY;
        if let Some(begun) = ticket.consider(run, fetched, &mut seen) {
            return Next::Begun(*index, self.ticket, begun);
        }
        let Some(mut attempt) = ticket.attempt(&remote, run, names, seen).await else {
            return self.take_off();
        };
        let look = match ticket.look(&remote, run, &mut attempt).await {
            Look::Over(Some(begun)) => return Next::Begun(*index, self.ticket, begun),
            Look::Over(None) => return self.take_off(),
            look => look,
        };
        Next::Later(Box::pin(async move {
            let Self {
                index,
                ticket,
                names,
                run,
            } = &mut self;
            let begun = ticket.hold_out(&remote, run, names, attempt, look).await;
            vec![match begun {
                Some(begun) => Next::Begun(*index, self.ticket, begun),
                None => self.take_off(),
            }]
        }))
    }

    /// The function is to run.
    fn take_off(self) -> Next {
        let begun = self.ticket.take_off(self.run);
        Next::Begun(self.index, self.ticket, begun)
    }
}

/// Stores what the function gave for several elements, and tells those who wait.
pub(crate) async fn finish_all(loads: Vec<(Box<Ticket>, Box<Run>, Loaded)>, started: Instant) -> Vec<Stale> {
    let finished = loads
        .into_iter()
        .enumerate()
        .map(|(index, (ticket, mut run, loaded))| {
            if planted(Bug::GenerationsAfterBody) {
                run.standing = Standing::of(ticket.core.standing(&ticket.names(), false));
            }
            // They were loaded in the same time, which is counted once.
            let started = if index == 0 { started } else { Instant::now() };
            ticket.finish(run, loaded, started)
        });
    all(finished).await
}
