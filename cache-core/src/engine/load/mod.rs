//! A call that found nothing fresh in memory: joining or leading the load of its key, asking the shared tier, claiming the
//! key there, and storing what the function gave. It knows no types. Invariants: a load is over for those who wait before
//! the caller has its value; nothing is stored whose claim or generations do not stand; what is dropped on the way leaves
//! neither a flight nor a claim behind.

mod ask;
mod direct;
pub(crate) mod many;
mod run;
mod settle;

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::read::is_meant_for;
use super::site::Site;
use super::standing::{Dependencies, Standing};
use super::{Core, Names, Tier, watch};
use crate::clock;
use crate::codec::{Codec, Content, Value};
use crate::flight::{Joined, Lead, Outcome, Terms, Waiter, panic_again};
use crate::generations::{Snapshot, fresh_nonce};
use crate::memory::{Admission, Draft, Entry};
use crate::remote::Remote;
use crate::stats::Counters;

pub(crate) use run::Run;
use run::{Older, Reserved, Waiting};
pub(crate) use settle::Stale;

/// What a call wants, once a hit is out of the question.
pub(crate) struct Ticket {
    pub(crate) core: Arc<Core>,
    pub(crate) key: Arc<str>,
    pub(crate) hash: u64,
    /// The arguments of the function, for the short way to the entry.
    pub(crate) arguments: Option<Box<[u8]>>,
    pub(crate) counters: Arc<Counters>,
    /// Nothing for calls on the manager.
    pub(crate) site: Option<&'static Site>,
    pub(crate) codec: Option<Codec>,
    /// Load and store, whatever is there.
    pub(crate) refresh: bool,
    pub(crate) ttl: Option<Duration>,
    /// How long past its TTL a value is served when the function fails, in milliseconds.
    pub(crate) stale_if_error: u64,
    /// The names that the entry can be invalidated by.
    pub(crate) tags: Vec<String>,
    /// Nobody waits for this call: it refreshes what its caller was served.
    pub(crate) background: bool,
    /// The lead of a load whose caller has been served.
    pub(crate) lead: Option<Reserved>,
    /// When the caller is served an older value, if there is one.
    pub(crate) soft_deadline: Option<tokio::time::Instant>,
}

/// How a call goes on.
pub(crate) enum Begun {
    /// With a value that is there.
    Content(Content),
    /// With an older value, while a load goes on in the background.
    Early(Content),
    /// With another call's error.
    Failed(Arc<dyn Any + Send + Sync>),
    /// With its own run of the function.
    Run(Box<Run>),
    /// Not at all: another process refreshes what the caller was served.
    Nothing,
}

/// What one who comes to a load is to do.
enum Boarded {
    /// To go on with what is known.
    Begun(Begun),
    /// To lead, given how things stood when that was said.
    Lead(Lead, Standing),
    Wait(Waiting),
}

/// What is to be waited for before it is known how a call goes on.
pub(crate) enum Rest {
    /// The shared tier, for a load that replaces what is there.
    Replace(Names),
    /// Somebody else's load.
    Wait(Waiting, Names),
    /// The shared tier, which may have the entry.
    Ask(Asked),
}

/// A load that asks the shared tier.
type Asked = (Box<Run>, Names);

/// What the caller's run of the function gave.
pub(crate) enum Loaded {
    Value {
        value: Value,
        size: usize,
        verdict: Verdict,
    },
    Absent,
    Failed(Option<Arc<dyn Any + Send + Sync>>),
}

/// Whether and for how long a value is stored.
#[derive(Debug, Clone, Copy)]
pub struct Verdict {
    store: bool,
    ttl: Option<Duration>,
    /// How long it is fresh, whatever else is said.
    most: Option<Duration>,
}

impl Verdict {
    /// It is stored for the TTL of the function.
    pub const fn store() -> Self {
        Self {
            store: true,
            ttl: None,
            most: None,
        }
    }

    /// Unless `accepted` is false.
    pub const fn only_if(mut self, accepted: bool) -> Self {
        self.store &= accepted;
        self
    }

    /// For this long at most, whatever else is said.
    pub const fn at_most(mut self, most: Option<Duration>) -> Self {
        self.most = most;
        self
    }

    /// For this long.
    pub const fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }
}

impl Ticket {
    /// A ticket for a key, with nothing said.
    pub(crate) fn new(core: Arc<Core>, key: Arc<str>, hash: u64, counters: Arc<Counters>) -> Self {
        Self {
            core,
            key,
            hash,
            arguments: None,
            counters,
            site: None,
            codec: None,
            refresh: false,
            ttl: None,
            stale_if_error: 0,
            tags: Vec::new(),
            background: false,
            lead: None,
            soft_deadline: None,
        }
    }

    fn tier(&self) -> Tier {
        self.site.map_or(Tier::Both, |site| site.tier)
    }

    fn stale_while_revalidate(&self) -> u64 {
        self.site.map_or(0, |site| site.stale_while_revalidate)
    }

    /// How long past its TTL a value is served for whatever reason.
    fn window(&self) -> u64 {
        self.stale_if_error.max(self.stale_while_revalidate())
    }

    /// What the entry can be invalidated by: its function, its namespace, its tags.
    fn names(&self) -> Names {
        match self.site {
            Some(site) => self.core.generations_of_function(site, &self.key, &self.tags),
            None => self.core.generations_of(&self.key, &self.tags),
        }
    }

    fn terms<'a>(&self, standing: &'a Standing) -> Terms<'a> {
        Terms {
            generations: Some(&standing.snapshots),
            token: if self.core.shared(self.tier()).is_some() {
                fresh_nonce()
            } else {
                0
            },
        }
    }

    /// What memory has that is not fresh, but may be served for up to `window` milliseconds past its TTL.
    fn stale_in_memory(&self, window: u64) -> Option<Older> {
        let now = clock::now();
        let held = self.core.memory.any(self.hash, &self.key, |entry| {
            (entry.value_until <= now
                && now < entry.value_until.saturating_add(window)
                && self.may_be_served(entry, &self.names()))
            .then(|| Older {
                content: entry.content.clone(),
                until: entry.value_until.saturating_add(window),
                retry_at: entry.retry_at(),
            })
        });
        held.flatten()
    }

    /// What a caller is served who finds that somebody loads already.
    fn stale_while_others_load(&self, waiting: &Waiting) -> Option<Older> {
        let window = self.stale_while_revalidate();
        // One who is silent for too long has his place taken by who waits.
        let goes_on = |waiter: &Waiter| waiter.flight().is_under_way(self.core.config.lease);
        let goes_on = window > 0 && waiting.waiter.as_ref().is_some_and(goes_on);
        goes_on.then(|| self.stale_in_memory(window))?
    }

    fn serve_stale(&self, content: Content) -> Begun {
        self.count_stale();
        Begun::Content(content)
    }

    fn count_stale(&self) {
        self.counters.stale_served.fetch_add(1, Relaxed);
        watch::stale(self.site);
    }

    /// Finds out how the call goes on. The first of several gets to run its function.
    pub(crate) async fn begin(&mut self) -> Begun {
        match self.begin_at_once() {
            Ok(begun) => begun,
            Err(rest) => self.go_on(rest).await,
        }
    }

    /// The same, as far as nothing has to be waited for; else what is.
    pub(crate) fn begin_at_once(&mut self) -> Result<Begun, Rest> {
        let names = self.names();
        if self.refresh {
            self.counters.misses.fetch_add(1, Relaxed);
            return match self.reachable() {
                Some(_) => Err(Rest::Replace(names)),
                None => Ok(Begun::Run(self.run_alone(&names))),
            };
        }
        if let Some(begun) = self.leave_in_peace() {
            return Ok(begun);
        }
        let reserved = self.lead.take().and_then(|mut reserved| reserved.lead.take());
        let boarded = match reserved {
            // One who was reserved may have been so for a while.
            Some(lead) => Boarded::Lead(lead, self.core.standing_here(&names)),
            None => self.try_board(&names),
        };
        match boarded {
            Boarded::Begun(begun) => Ok(begun),
            Boarded::Lead(lead, standing) => self.with_lead(lead, standing, names).map_err(Rest::Ask),
            // Somebody else refreshes what the caller was served.
            Boarded::Wait(_) if self.background => Ok(Begun::Nothing),
            Boarded::Wait(waiting) => match self.stale_while_others_load(&waiting) {
                Some(older) => Ok(self.serve_stale(older.content)),
                None => Err(Rest::Wait(waiting, names)),
            },
        }
    }

    /// Waits for what is to be waited for.
    pub(crate) async fn go_on(&mut self, mut rest: Rest) -> Begun {
        let mut is_first = true;
        loop {
            let asked = match rest {
                Rest::Replace(names) => return Begun::Run(Box::pin(self.replace(&names)).await),
                Rest::Wait(waiting, names) => match self.wait(waiting).await {
                    Ok(lead) => {
                        let standing = self.core.standing_here(&names);
                        if is_first && lead.flight().is_fenced() && lead.is_open() {
                            // Its result would be stored nowhere. All who waited leave it at once.
                            is_first = false;
                            drop(Run::new(&self.core, lead, standing));
                            rest = match self.begin_at_once() {
                                Ok(begun) => return begun,
                                Err(rest) => rest,
                            };
                            continue;
                        }
                        self.with_lead(lead, standing, names)
                    }
                    Err(begun) => Ok(begun),
                },
                Rest::Ask(asked) => Err(asked),
            };
            let (mut run, names) = match asked {
                Ok(begun) => return begun,
                Err(asked) => asked,
            };
            if let Some(begun) = self.ask(&mut run, &names).await {
                return begun;
            }
            let has_ended = run.flight.outcome().is_some();
            if run.stands() || has_ended || run.flight.alone || !is_first {
                return self.take_off(run);
            }
            // It was invalidated before its function began: it goes with who comes now, if only once.
            is_first = false;
            drop(run);
            rest = match self.begin_at_once() {
                Ok(begun) => return begun,
                Err(rest) => rest,
            };
        }
    }

    /// The shared tier, unless it is known to be gone. Nothing is written down for nobody to read.
    fn reachable(&self) -> Option<&Remote> {
        let core = &self.core;
        let remote = core.shared(self.tier())?;
        #[cfg(feature = "redis")]
        core.listen();
        (!remote.is_gone(|| core.full_key(&self.key))).then_some(remote)
    }

    /// Goes on with the lead of the load: to an older value, to its function, or to the shared tier.
    fn with_lead(&mut self, lead: Lead, standing: Standing, names: Names) -> Result<Begun, Asked> {
        let window = self.stale_while_revalidate();
        if !self.background
            && window > 0
            && let Some(older) = self.stale_in_memory(window)
        {
            return Ok(self.serve_early(older, lead));
        }
        let run = Run::new(&self.core, lead, standing);
        if self.reachable().is_some() {
            Err((run, names))
        } else {
            Ok(self.take_off(run))
        }
    }

    /// Serves an older value of memory when the function has just failed, and is left in peace for a while.
    fn leave_in_peace(&self) -> Option<Begun> {
        let window = self.window();
        if self.background || window == 0 {
            return None;
        }
        let stale = self.stale_in_memory(window);
        let older = stale.filter(|older| older.retry_at > clock::now())?;
        Some(self.serve_stale(older.content))
    }

    /// Nothing of use was found: the function is to run.
    fn take_off(&self, run: Box<Run>) -> Begun {
        // The leader in whose place this one came may have ended after all.
        if let Some(outcome) = run.flight.outcome() {
            self.core.release(&run.flight);
            return self.follow(outcome, None);
        }
        if !self.background {
            self.counters.misses.fetch_add(1, Relaxed);
        }
        Begun::Run(run)
    }

    /// Serves an older value; the load goes on without its caller.
    fn serve_early(&mut self, older: Older, lead: Lead) -> Begun {
        lead.flight().offer(older.content.clone(), older.until);
        self.count_stale();
        watch::refresh(self.site);
        self.lead = Some(Reserved {
            core: Arc::clone(&self.core),
            lead: Some(lead),
        });
        self.background = true;
        Begun::Early(older.content)
    }

    /// Waits for the one who has the lead, or until it comes to this call.
    async fn wait(&self, waiting: Waiting) -> Result<Lead, Begun> {
        let Some(waiter) = &waiting.waiter else {
            return Err(Begun::Nothing);
        };
        let takes_older = self.window() > 0;
        let began = watch::waits();
        match waiter.wait(self.core.config.lease, takes_older).await {
            Ok(outcome) => {
                self.counters.misses.fetch_add(1, Relaxed);
                Err(self.follow(outcome, began.map(|began| began.elapsed())))
            }
            Err(lead) => Ok(lead),
        }
    }

    /// Takes the lead of the load, unless there is a fresh value or somebody else has the lead.
    fn try_board(&self, names: &Dependencies) -> Boarded {
        let core = &self.core;
        let mut fresh_wanted = core.in_memory(self.tier()) && !self.background;
        let standing = core.standing_here(names);
        let terms = self.terms(&standing);
        loop {
            match core.memory.admit(self.hash, &self.key, fresh_wanted, &terms) {
                Admission::Ready => {
                    let held = core.memory.fresh(self.hash, &self.key, |entry| {
                        self.may_be_served(entry, names).then(|| entry.content.clone())
                    });
                    match held {
                        Some(Some(content)) => {
                            self.link();
                            self.counters.hit(crate::stats::LaneLease::SHARED);
                            watch::hit(self.site, "memory");
                            return Boarded::Begun(Begun::Content(content));
                        }
                        Some(None) => fresh_wanted = false,
                        None => {}
                    }
                }
                Admission::Joined(Joined::Lead(lead)) => {
                    // An invalidation on the way here is no reason to store nothing: the function has not begun.
                    let stands = standing.snapshots.iter().all(Snapshot::stands);
                    let standing = if stands {
                        standing
                    } else {
                        core.standing_here(names)
                    };
                    return Boarded::Lead(lead, standing);
                }
                Admission::Joined(Joined::Wait(waiter)) => {
                    return Boarded::Wait(Waiting {
                        core: Arc::clone(core),
                        waiter: Some(waiter),
                    });
                }
            }
        }
    }

    /// What another call's run means for this one.
    fn follow(&self, outcome: Outcome, waited: Option<Duration>) -> Begun {
        match outcome {
            Outcome::Loaded(content) => {
                self.counters.coalesced.fetch_add(1, Relaxed);
                watch::coalesced(self.site, waited);
                Begun::Content(content)
            }
            Outcome::Stale(content) if self.window() > 0 => self.serve_stale(content),
            Outcome::Failed(error) => {
                self.counters.coalesced.fetch_add(1, Relaxed);
                watch::coalesced(self.site, waited);
                Begun::Failed(error)
            }
            // An older value is for those who take one.
            Outcome::FailedAlone | Outcome::Stale(_) => Begun::Run(self.alone()),
            Outcome::Panicked(message) => panic_again(&message),
        }
    }

    /// A run that nobody shares.
    pub(crate) fn alone(&self) -> Box<Run> {
        self.run_alone(&self.names())
    }

    fn run_alone(&self, names: &Dependencies) -> Box<Run> {
        let standing = self.core.standing_here(names);
        let key = Arc::clone(&self.key);
        let lead = self
            .core
            .memory
            .load_alone(self.hash, key, &self.terms(&standing));
        Run::new(&self.core, lead, standing)
    }

    /// Whether an entry in memory can be invalidated by all that this call's function can be invalidated by.
    fn may_be_served(&self, entry: &Entry, names: &Dependencies) -> bool {
        let has = |name: &str| {
            let mut held = entry.generations.iter();
            held.any(|snapshot| *snapshot.generation.name == *name)
        };
        (self.site.is_some() && Arc::ptr_eq(&entry.owner, &self.counters)) || is_meant_for(has, names)
    }

    /// Has the arguments of this call lead to the entry from here on.
    fn link(&self) {
        if let Some(arguments) = &self.arguments {
            let memory = &self.core.memory;
            memory.link(arguments, self.hash, &self.key, &self.counters);
        }
    }
}

/// So many millionths of a duration.
fn part_of(duration: u64, millionths: u64) -> u64 {
    u64::try_from(u128::from(duration) * u128::from(millionths) / 1_000_000).unwrap_or(u64::MAX)
}

/// When a value is to be refreshed though it is fresh: never, where the function does not ask for that.
fn refresh_at(draft: &Draft, site: &Site) -> u64 {
    if site.refresh_ahead == 0 {
        return u64::MAX;
    }
    let ttl = draft.value_until.saturating_sub(draft.born);
    draft
        .born
        .saturating_add(part_of(ttl, u64::from(site.refresh_ahead)))
}
