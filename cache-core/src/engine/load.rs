//! A call that found nothing fresh in memory: joining or leading the load of its key, asking the shared tier, claiming the
//! key there, and storing what the function gave. It knows no types. Invariants: a load is over for those who wait before
//! the caller has its value; nothing is stored whose claim or generations do not stand; what is dropped on the way leaves
//! neither a flight nor a claim behind.

use std::any::Any;
use std::hash::Hasher;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;

use super::site::Site;
use super::{Core, Fetched, Found, Keep, Tier, Wanted};
use crate::clock;
use crate::codec::{Codec, Content, Value};
use crate::config::duration::millis;
use crate::engine::remove::{Name, generation};
use crate::flight::{Flight, Joined, Lead, Outcome, Terms, Waiter, panic_again};
use crate::generations::{Snapshot, fresh_nonce};
use crate::memory::{Admission, Committed, Draft, Entry};
use crate::planted::{Bug, planted};
use crate::remote::guard::{Aim, Claim, Claimed, End};
use crate::remote::{Budget, News, Remote};
use crate::stats::Counters;

/// How often the key is looked at while a load of another process holds it: at first, and at most.
const FIRST_LOOK: Duration = Duration::from_millis(2);
const LAST_LOOK: Duration = Duration::from_millis(200);
/// The loads of other processes that one call waits for.
const MOST_WAITS: u32 = 2;
/// The entries that may come while a key is being claimed and turn out to be of no use.
const MOST_USELESS: u32 = 3;

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
    Run(Run),
    /// Not at all: another process refreshes what the caller was served.
    Nothing,
}

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
}

impl Verdict {
    /// It is stored for the TTL of the function.
    pub const fn store() -> Self {
        Self {
            store: true,
            ttl: None,
        }
    }

    /// Unless `accepted` is false.
    pub const fn only_if(mut self, accepted: bool) -> Self {
        self.store = accepted;
        self
    }

    /// For this long.
    pub const fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }
}

/// The duty to lead a load; dropped, it leaves the key to others.
pub(crate) struct Run {
    core: Arc<Core>,
    lead: Option<Lead>,
    /// Whether the flight ended with what this run gave; then this run is the one that forgets it.
    spoke: bool,
    flight: Arc<Flight>,
    /// The name of this run in the shared tier.
    token: u64,
    budget: Budget,
    /// What the load depends on, as it stood before the function began.
    generations: Box<[Snapshot]>,
    /// Whether the key is held for this load in the shared tier.
    claimed: bool,
    /// When it was last said there that this load is alive.
    alive: Instant,
    /// An older value that was in the shared tier.
    stale: Option<Draft>,
    /// Set while the user's closures look at the value: a panic in them is one of the function.
    pub(crate) judged: bool,
}

impl Run {
    fn new(core: &Arc<Core>, lead: Lead, generations: Box<[Snapshot]>) -> Self {
        Self {
            core: Arc::clone(core),
            flight: Arc::clone(lead.flight()),
            token: lead.token(),
            lead: Some(lead),
            spoke: false,
            budget: core.budget(),
            generations,
            claimed: false,
            alive: Instant::now(),
            stale: None,
            judged: false,
        }
    }

    /// Polls the caller's function.
    pub(crate) fn poll(
        &mut self,
        context: &mut Context<'_>,
        poll: &mut dyn FnMut(&mut Context<'_>) -> Poll<()>,
    ) -> Poll<()> {
        if self.claimed && self.alive.elapsed() >= self.core.config.lease / 3 {
            self.alive = Instant::now();
            self.core
                .about_claim(&self.flight, |core, remote, key, token| async move {
                    let lease = core.config.lease;
                    // Without it the claim ends early, and the result is not stored.
                    let _ = remote.renew(&key, token, lease, &mut core.budget()).await;
                });
        }
        match &mut self.lead {
            Some(lead) => lead.poll(context, poll),
            None => poll(context),
        }
    }

    /// Tells those who wait. Who comes now is told the same, until the result is stored.
    fn tell(&mut self, outcome: Outcome) {
        if let Some(mut lead) = self.lead.take() {
            lead.end(outcome);
            self.spoke = lead.spoke();
        }
    }

    /// Tells those who wait, and lets nobody else join. One who was replaced has nothing to say.
    fn end(&mut self, outcome: Outcome) {
        self.tell(outcome);
        if self.spoke {
            self.core.memory.close(&self.flight);
        }
    }

    /// Whether all that the load depends on is as it was.
    fn stands(&self) -> bool {
        !self.flight.is_fenced() && self.generations.iter().all(Snapshot::stands)
    }

    /// Serves those who wait for this load with an older value.
    pub(crate) fn offer(&self, older: &Older) {
        self.flight.offer(older.content.clone(), older.until);
    }

    /// Gives the claim back.
    async fn release(&mut self, end: End) {
        if !self.claimed || !self.spoke {
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
    fn unclaim(&mut self) {
        self.claimed = false;
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
    until: u64,
    /// Until when the function should not be tried again.
    retry_at: u64,
}

impl Older {
    fn of(draft: &Draft, window: u64) -> Self {
        Self {
            content: draft.content.clone(),
            until: draft.value_until.saturating_add(window),
            retry_at: draft.retry_at,
        }
    }
}

/// One who waits; the last one to leave a flight that nobody leads forgets it.
struct Waiting<'a> {
    core: &'a Arc<Core>,
    waiter: Option<Waiter>,
}

impl Drop for Waiting<'_> {
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
    core: Arc<Core>,
    lead: Option<Lead>,
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
    fn land(self: &Arc<Self>, flight: &Arc<Flight>) {
        self.memory.land(flight);
        self.release(flight);
    }

    /// The same for one that nobody leads and nobody waits for.
    fn land_if_idle(self: &Arc<Self>, flight: &Arc<Flight>) {
        if self.memory.land_if_idle(flight) {
            self.release(flight);
        }
    }

    fn release(self: &Arc<Self>, flight: &Flight) {
        if flight.take_claimed() {
            let news = News::loaded(&flight.key);
            self.about_claim(flight, |_, remote, key, token| async move {
                // Nobody waits for this. If it cannot be told, the lease ends by itself.
                let mut budget = Budget::new(Duration::from_secs(2));
                let _ = remote
                    .release(&key, token, End::Dropped, &news, &mut budget)
                    .await;
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

impl Ticket {
    /// A ticket for a key, with nothing said.
    pub(crate) fn new(core: &Arc<Core>, key: Arc<str>, hash: u64, counters: &Arc<Counters>) -> Self {
        Self {
            core: Arc::clone(core),
            key,
            hash,
            arguments: None,
            counters: Arc::clone(counters),
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
    fn names(&self) -> Vec<String> {
        let Some(site) = self.site else {
            return Core::names_of(&self.key, &self.tags);
        };
        let namespace = self.key.split(':').next().unwrap_or_default();
        let mut names = Vec::with_capacity(2 + self.tags.len());
        names.push(generation::of_function(site.path, site.template, namespace));
        names.push(generation::of_namespace(namespace));
        names.extend(self.tags.iter().map(|tag| generation::of_tag(tag)));
        names
    }

    fn terms(&self, names: &[String]) -> Terms {
        Terms {
            generations: self.core.standing(names, false),
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

    fn serve_stale(&self, content: Content) -> Begun {
        self.count_stale();
        Begun::Content(content)
    }

    fn count_stale(&self) {
        self.counters.stale_served.fetch_add(1, Relaxed);
        tracing::debug!(
            function = self.site.map(Site::path),
            stale = true,
            "a value past its TTL is served"
        );
    }

    /// Finds out how the call goes on. The first of several gets to run its function.
    pub(crate) async fn begin(&mut self) -> Begun {
        let core = Arc::clone(&self.core);
        let names = self.names();
        if self.refresh {
            self.counters.misses.fetch_add(1, Relaxed);
            return Begun::Run(self.replace(&names).await);
        }
        let window = self.window();
        if !self.background && window > 0 {
            // The function has just failed; it is left in peace for a while.
            let stale = self.stale_in_memory(window);
            if let Some(older) = stale.filter(|older| older.retry_at > clock::now()) {
                return self.serve_stale(older.content);
            }
        }
        let lead = match self.lead.take().and_then(|mut reserved| reserved.lead.take()) {
            Some(lead) => lead,
            None => match self.board(&core, &names).await {
                Ok(lead) => lead,
                Err(begun) => return begun,
            },
        };
        let window = self.stale_while_revalidate();
        if !self.background
            && window > 0
            && let Some(older) = self.stale_in_memory(window)
        {
            return self.serve_early(older, lead);
        }
        let generations = core.standing(&names, true);
        let mut run = Run::new(&core, lead, generations);
        if let Some(remote) = core.shared(self.tier()) {
            #[cfg(feature = "redis")]
            core.listen();
            if let Some(begun) = self.ask(remote, &mut run, &names).await {
                return begun;
            }
            // The leader in whose place this one came may have ended after all.
            if let Some(outcome) = run.flight.outcome() {
                core.release(&run.flight);
                return self.follow(outcome);
            }
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
        self.lead = Some(Reserved {
            core: Arc::clone(&self.core),
            lead: Some(lead),
        });
        self.background = true;
        Begun::Early(older.content)
    }

    /// Takes the lead of the load, or waits for the one who has it.
    async fn board(&self, core: &Arc<Core>, names: &[String]) -> Result<Lead, Begun> {
        let mut fresh_wanted = core.in_memory(self.tier()) && !self.background;
        let terms = self.terms(names);
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
                            return Err(Begun::Content(content));
                        }
                        Some(None) => fresh_wanted = false,
                        None => {}
                    }
                }
                Admission::Joined(Joined::Lead(lead)) => return Ok(lead),
                Admission::Joined(Joined::Wait(waiter)) => {
                    let waiting = Waiting {
                        core,
                        waiter: Some(waiter),
                    };
                    if self.background {
                        return Err(Begun::Nothing);
                    }
                    let Some(waiter) = &waiting.waiter else { continue };
                    let takes_older = self.window() > 0;
                    match waiter.wait(core.config.lease, takes_older).await {
                        Ok(outcome) => {
                            self.counters.misses.fetch_add(1, Relaxed);
                            return Err(self.follow(outcome));
                        }
                        Err(lead) => return Ok(lead),
                    }
                }
            }
        }
    }

    /// A load that replaces whatever is there.
    async fn replace(&self, names: &[String]) -> Run {
        let core = &self.core;
        let lead = core.memory.load_alone(self.hash, &self.key, &self.terms(names));
        let mut run = Run::new(core, lead, Box::default());
        let Some(remote) = core.shared(self.tier()) else {
            run.generations = core.standing(names, true);
            return run;
        };
        #[cfg(feature = "redis")]
        core.listen();
        run.generations = core.snapshots(Some(remote), names, &mut run.budget).await;
        if let Some(claim) = self.claim(&run, Aim::Replace, Vec::new()) {
            let key = core.full_key(&self.key);
            run.flight.set_claimed(true);
            let claimed = remote.claim(&key, &claim, &mut run.budget).await;
            run.claimed = claimed == Ok(Claimed::Granted);
        }
        run
    }

    fn commit(&self, run: &Run, mut draft: Draft) -> Committed {
        if let Some(site) = self.site.filter(|site| site.refresh_ahead > 0) {
            draft.refresh_at = refresh_at(&draft, site);
        }
        let committed = self.core.memory.commit(&run.flight, draft);
        if committed == Committed::Stored {
            self.link();
        }
        committed
    }

    /// Looks for the entry in the shared tier, and claims its key there. Nothing is given when the function is to run.
    async fn ask(&mut self, remote: &Remote, run: &mut Run, names: &[String]) -> Option<Begun> {
        let core = Arc::clone(&self.core);
        let wanted = self.wanted(names);
        let fetched = core.fetch(remote, &self.key, &wanted, &mut run.budget).await;
        #[cfg(test)]
        core.memory.register_late(&run.flight);
        let mut seen = Vec::new();
        if let Some(begun) = self.consider(run, fetched, &mut seen) {
            return Some(begun);
        }
        run.generations = core.standing(names, false);
        if run.generations.iter().any(|snapshot| snapshot.nonce.is_none()) {
            // What was told meanwhile may have missed something.
            run.generations = core.snapshots(Some(remote), names, &mut run.budget).await;
        }
        let aim = if self.background { Aim::Refresh } else { Aim::Fill };
        let mut claim = self.claim(run, aim, seen)?;
        let full = core.full_key(&self.key);
        let began = Instant::now();
        let (mut waits, mut useless) = (0, 0);

        loop {
            if run.flight.outcome().is_some() {
                return None;
            }
            // What is there is what an invalidation that Redis did not take yet is about.
            if core.pending.covers(&self.key) {
                return None;
            }
            // Until the answer is there, and if it never comes, the key may be held.
            run.flight.set_claimed(true);
            // Each look has a budget of its own, as most of the time is spent waiting for somebody else's load.
            let answer = remote.claim(&full, &claim, &mut core.budget()).await;
            match answer {
                Ok(Claimed::Granted) => {
                    run.claimed = true;
                    run.alive = Instant::now();
                    return None;
                }
                Ok(_) => run.flight.set_claimed(false),
                Err(_) => {}
            }
            match answer {
                Ok(Claimed::Granted) | Err(_) => return None,
                // Everybody whom that failure concerns is served an older value, or runs for itself, and at once.
                Ok(Claimed::Failed) => {
                    if let Some(older) = self.stale_to_serve(run, self.stale_if_error) {
                        run.end(Outcome::Stale(older.content.clone()));
                        return Some(self.serve_stale(older.content));
                    }
                    return None;
                }
                Ok(Claimed::Found(bytes)) => {
                    let wanted = self.wanted(names);
                    let fetched = core
                        .decode(remote, &self.key, bytes, &wanted, &mut run.budget)
                        .await;
                    if let Some(begun) = self.consider(run, fetched, &mut claim.seen) {
                        return Some(begun);
                    }
                    useless += 1;
                    if useless > MOST_USELESS {
                        return None;
                    }
                }
                Ok(Claimed::Held { by, left }) => {
                    if self.background {
                        return Some(Begun::Nothing);
                    }
                    if run.flight.alone {
                        // It may be inside of the load that holds the key.
                        return None;
                    }
                    if by != claim.waited {
                        claim.waited = by;
                        waits += 1;
                        if waits > MOST_WAITS {
                            return None;
                        }
                    }
                    let so_far = began.elapsed();
                    let soft = self
                        .soft_deadline
                        .is_some_and(|deadline| tokio::time::Instant::now() >= deadline);
                    let window = self.window();
                    let stale = run.stale.as_ref().map(|draft| Older::of(draft, window));
                    if let Some(older) = stale.filter(|older| soft && clock::now() < older.until) {
                        let lead = run.lead.take()?;
                        return Some(self.serve_early(older, lead));
                    }
                    run.flight.is_polled();
                    let look = (so_far / 8)
                        .clamp(FIRST_LOOK, LAST_LOOK)
                        .min(left.max(FIRST_LOOK));
                    run.flight.until_called(look).await;
                }
            }
        }
    }

    fn wanted<'a>(&'a self, names: &'a [String]) -> Wanted<'a> {
        Wanted {
            codec: self.codec,
            version: self.site.map(|site| site.version),
            names,
            counters: &self.counters,
        }
    }

    /// Whether what was read ends the search. `seen` becomes the head of an entry that this load is to replace.
    fn consider(&mut self, run: &mut Run, fetched: Fetched, seen: &mut Vec<u8>) -> Option<Begun> {
        match fetched.found {
            Found::Fresh(draft) => {
                let due = self
                    .site
                    .is_some_and(|site| self.background && clock::now() >= refresh_at(&draft, site));
                if due {
                    *seen = fetched.seen;
                    return None;
                }
                let content = draft.content.clone();
                if self.core.in_memory(self.tier()) {
                    self.commit(run, draft);
                }
                self.counters.redis_hits.fetch_add(1, Relaxed);
                run.end(Outcome::Loaded(content.clone()));
                Some(Begun::Content(content))
            }
            Found::Stale(draft) => {
                seen.clear();
                let content = draft.content.clone();
                let now = clock::now();
                let within = |window: u64| now < draft.value_until.saturating_add(window);
                if self.background && draft.retry_at > now {
                    return Some(Begun::Nothing);
                }
                if draft.retry_at > now && within(self.stale_if_error) {
                    run.end(Outcome::Stale(content.clone()));
                    return Some(self.serve_stale(content));
                }
                let window = self.stale_while_revalidate();
                if !self.background && within(window) {
                    let older = Older::of(&draft, window);
                    if self.core.in_memory(self.tier()) {
                        self.commit(run, draft);
                    }
                    let lead = run.lead.take()?;
                    return Some(self.serve_early(older, lead));
                }
                run.stale = Some(draft);
                None
            }
            Found::Nothing => {
                *seen = fetched.seen;
                None
            }
        }
    }

    /// What the key is claimed with. Nothing where a generation is not known: the result could not be invalidated.
    fn claim(&self, run: &Run, aim: Aim, seen: Vec<u8>) -> Option<Claim> {
        let mut terms = Terms64::default();
        terms.write(&self.site.map_or(0, |site| site.version).to_le_bytes());
        if let Some(codec) = self.codec {
            terms.write(&self.core.shape_of(codec).to_le_bytes());
        }
        for snapshot in &run.generations {
            terms.write(snapshot.generation.name.as_bytes());
            terms.write(&snapshot.nonce?.to_le_bytes());
        }
        Some(Claim {
            token: run.token,
            terms: terms.finish(),
            lease: self.core.config.lease,
            aim,
            seen,
            waited: 0,
        })
    }

    /// What another call's run means for this one.
    fn follow(&self, outcome: Outcome) -> Begun {
        match outcome {
            Outcome::Loaded(content) => {
                self.counters.coalesced.fetch_add(1, Relaxed);
                Begun::Content(content)
            }
            Outcome::Stale(content) if self.window() > 0 => self.serve_stale(content),
            Outcome::Stale(_) => Begun::Run(self.alone()),
            Outcome::Failed(error) => {
                self.counters.coalesced.fetch_add(1, Relaxed);
                Begun::Failed(error)
            }
            Outcome::FailedAlone => Begun::Run(self.alone()),
            Outcome::Panicked(message) => panic_again(&message),
        }
    }

    /// A run that nobody shares.
    pub(crate) fn alone(&self) -> Run {
        let names = self.names();
        let terms = self.terms(&names);
        let lead = self.core.memory.load_alone(self.hash, &self.key, &terms);
        Run::new(&self.core, lead, terms.generations)
    }

    /// Stores what the function gave and tells those who wait. Gives a stale value to serve instead of an error.
    pub(crate) async fn finish(
        self: Box<Self>,
        run: Run,
        loaded: Loaded,
        started: Instant,
    ) -> Option<(Content, Option<Codec>)> {
        let stale = self.settle(run, loaded, started).await?;
        Some((stale, self.codec))
    }

    async fn settle(&self, mut run: Run, loaded: Loaded, started: Instant) -> Option<Content> {
        let counters = &self.counters;
        counters.loads.fetch_add(1, Relaxed);
        counters.load_micros.fetch_add(
            u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
            Relaxed,
        );
        let (content, ttl, size) = match loaded {
            Loaded::Failed(shared) => {
                counters.errors.fetch_add(1, Relaxed);
                return self.fall_back(run, shared).await;
            }
            Loaded::Absent => {
                let ttl = self.site.and_then(|site| site.none_ttl).unwrap_or(0);
                (Content::Absent, ttl, 0)
            }
            Loaded::Value { value, size, verdict } => {
                let ttl = if verdict.store && self.is_short_enough(&value) {
                    self.ttl(verdict.ttl)
                } else {
                    0
                };
                (Content::Value(value), ttl, size)
            }
        };
        // A caller who was thought dead and replaced by one who has ended meanwhile has nothing to say any more.
        let open = run.lead.as_ref().is_some_and(Lead::is_open);
        if ttl == 0 || !open {
            run.end(Outcome::Loaded(content));
            if self.refresh && open {
                // What is there is not what the function gives now.
                let mut budget = self.core.budget();
                self.core
                    .invalidate(Name::Key(self.key.to_string()), &mut budget)
                    .await;
                run.unclaim();
            } else if open {
                // Those who wait in other processes need not wait for one another.
                let throttle = Duration::ZERO;
                run.release(End::Failed { throttle }).await;
            }
            return None;
        }
        let generations = if planted(Bug::GenerationAfterLoad) {
            self.core.standing(&self.names(), false)
        } else {
            run.generations.clone()
        };
        let keep = Keep {
            content,
            ttl,
            stale: self.stale_if_error.max(self.stale_while_revalidate()),
            tier: self.tier(),
            version: self.site.map_or(0, |site| site.version),
            shape: 0,
            generations,
            encoded: None,
            size,
        };
        self.keep(run, keep).await;
        None
    }

    /// Stores a value: in the shared tier first, and in memory only if it was not refused there.
    async fn keep(&self, mut run: Run, mut keep: Keep) {
        let core = &self.core;
        let remote = core.shared(keep.tier);
        let born = clock::now();
        run.tell(Outcome::Loaded(keep.content.clone()));
        if !run.spoke {
            return;
        }
        self.encode(remote, &mut keep);
        let payload = keep.encoded.take();
        let fits = payload
            .as_ref()
            .map_or(matches!(keep.content, Content::Absent), |bytes| {
                bytes.len() <= core.config.max_value_bytes
            });
        let mut may_hold = true;
        if let Some(remote) = remote {
            let stored = if run.claimed && fits && run.stands() {
                Core::stored(&keep, remote, run.token, payload)
            } else {
                None
            };
            let mut written = false;
            if let Some(stored) = stored {
                let bytes = stored.write(&self.key, core.config.compression_threshold);
                let length = bytes.len() as u64;
                let full = core.full_key(&self.key);
                let life = Duration::from_millis(keep.ttl + keep.stale);
                let (token, news) = (run.token, News::loaded(&self.key));
                match remote
                    .commit(&full, token, bytes, life, &news, &mut run.budget)
                    .await
                {
                    Ok(true) => {
                        run.unclaim();
                        written = true;
                        self.counters.bytes.fetch_add(length, Relaxed);
                    }
                    // The key was deleted or taken over by a newer load meanwhile.
                    Ok(false) => {
                        run.unclaim();
                        may_hold = false;
                    }
                    // It may still arrive, if the claim then stands.
                    Err(_) => {}
                }
            }
            if self.refresh && may_hold && !written {
                // What is there is older.
                core.invalidate_later(Name::Key(self.key.to_string()));
            }
        }
        if may_hold && core.in_memory(keep.tier) {
            self.commit(&run, core.draft(&keep, born, &self.counters));
        }
        let throttle = Duration::ZERO;
        run.release(End::Failed { throttle }).await;
    }

    /// Writes the value, where that is needed.
    fn encode(&self, remote: Option<&Remote>, keep: &mut Keep) {
        if let (Content::Value(value), Some(codec)) = (&keep.content, self.codec)
            && (remote.is_some() || self.core.memory.weighs())
        {
            match (codec.encode)(value.as_ref()) {
                Ok(bytes) => {
                    keep.size = bytes.len();
                    keep.encoded = Some(bytes);
                }
                Err(reason) => {
                    self.counters.errors.fetch_add(1, Relaxed);
                    tracing::warn!(
                        function = self.site.map(Site::path),
                        key = self.site.map(|site| site.template),
                        reason,
                        "a value cannot be serialised; it is held in memory alone"
                    );
                }
            }
            if remote.is_some() {
                keep.shape = self.core.shape_of(codec);
            }
        }
    }

    /// The function failed: what is stale is served if that was asked for, else all get the error.
    async fn fall_back(&self, mut run: Run, shared: Option<Arc<dyn Any + Send + Sync>>) -> Option<Content> {
        let window = self.stale_if_error;
        let peace = self.core.config.stale_throttle;
        let until = clock::now() + millis(peace);
        let stale = self.stale_to_serve(&run, window).map(|older| older.content);
        let throttle = if stale.is_some() || self.background {
            // Until then the function is not tried again, here or elsewhere.
            self.core.memory.retry_later(self.hash, &self.key, until);
            peace
        } else {
            Duration::ZERO
        };
        if let Some(content) = &stale {
            self.count_stale();
            run.end(Outcome::Stale(content.clone()));
        } else {
            run.end(shared.map_or(Outcome::FailedAlone, Outcome::Failed));
        }
        run.release(End::Failed { throttle }).await;
        stale
    }

    /// An older value that may be served for `window` milliseconds past its TTL, wherever it is.
    fn stale_to_serve(&self, run: &Run, window: u64) -> Option<Older> {
        if window == 0 {
            return None;
        }
        if let Some(older) = self.stale_in_memory(window) {
            return Some(older);
        }
        let draft = run.stale.as_ref().filter(|draft| {
            clock::now() < draft.value_until.saturating_add(window)
                && draft.generations.iter().all(Snapshot::stands)
                && !run.flight.is_fenced()
        })?;
        let older = Older::of(draft, window);
        if self.core.in_memory(self.tier()) {
            self.commit(run, draft.clone());
        }
        Some(older)
    }

    /// An older value for a caller whose patience is at its end.
    pub(crate) fn stale_for_the_impatient(&self, run: Option<&Run>) -> Option<Older> {
        let window = self.stale_if_error.max(self.stale_while_revalidate());
        let older = match run {
            Some(run) => self.stale_to_serve(run, window)?,
            None => self.stale_in_memory(window)?,
        };
        self.count_stale();
        Some(older)
    }

    /// An older value for a caller whose time is up.
    pub(crate) fn stale_for_the_failed(&self) -> Option<Content> {
        let older = self.stale_in_memory(self.stale_if_error)?;
        self.count_stale();
        Some(older.content)
    }

    /// Whether an entry in memory can be invalidated by all that this call's function can be invalidated by.
    fn may_be_served(&self, entry: &Entry, names: &[String]) -> bool {
        let has = |name: &str| {
            let mut held = entry.generations.iter();
            held.any(|snapshot| *snapshot.generation.name == *name)
        };
        (self.site.is_some() && Arc::ptr_eq(&entry.owner, &self.counters)) || super::is_meant_for(has, names)
    }

    /// Has the arguments of this call lead to the entry from here on.
    fn link(&self) {
        if let Some(arguments) = &self.arguments {
            let memory = &self.core.memory;
            memory.link(arguments, self.hash, &self.key, &self.counters);
        }
    }

    /// What was said, else what the attribute says, else what holds for the namespace: all that a key begins with.
    fn ttl(&self, said: Option<Duration>) -> u64 {
        let ttl = said
            .or(self.ttl)
            .map(millis)
            .or(self.site.and_then(|site| site.ttl))
            .unwrap_or_else(|| millis(self.core.default_ttl(&self.key)));
        let jitter = self.site.map_or(0, |site| u64::from(site.jitter));
        let most = part_of(ttl, jitter);
        // What is stored at the same time does not expire at the same time.
        ttl - if most == 0 { 0 } else { fresh_nonce() % (most + 1) }
    }

    fn is_short_enough(&self, value: &Value) -> bool {
        let bounded = self.site.is_some_and(|site| site.bounded);
        let Some(codec) = self.codec.filter(|_| bounded) else {
            return true;
        };
        (codec.count)(value.as_ref()).is_none_or(|count| count <= self.core.config.max_search_results)
    }
}

/// So many millionths of a duration.
fn part_of(duration: u64, millionths: u64) -> u64 {
    u64::try_from(u128::from(duration) * u128::from(millionths) / 1_000_000).unwrap_or(u64::MAX)
}

/// When a value is to be refreshed though it is fresh.
fn refresh_at(draft: &Draft, site: &Site) -> u64 {
    let ttl = draft.value_until.saturating_sub(draft.born);
    draft
        .born
        .saturating_add(part_of(ttl, u64::from(site.refresh_ahead)))
}

/// The FNV-1a hash, which is the same in every process.
struct Terms64(u64);

impl Default for Terms64 {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Terms64 {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
