//! A call that found nothing fresh in memory: joining or leading the load of its key, asking the shared tier, and
//! storing what the function gave. It knows no types. Invariants: a load is over for those who wait before the caller
//! has its value; what is dropped on the way leaves no flight behind.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::site::Site;
use super::{Core, Found, Keep, Tier, Wanted};
use crate::codec::{Codec, Value};
use crate::config::duration::millis;
use crate::engine::remove::Name;
use crate::flight::{Flight, Joined, Lead, Outcome, Waiter, panic_again};
use crate::memory::{Admission, Committed, Content, Draft};
use crate::remote::{Budget, Remote};
use crate::stats::Counters;

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
    pub(crate) stale_if_error: Option<Duration>,
}

/// How a call goes on.
pub(crate) enum Begun {
    /// With a value that is there.
    Content(Content),
    /// With another call's error.
    Failed(Arc<dyn Any + Send + Sync>),
    /// With its own run of the function.
    Run(Run),
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
    flight: Arc<Flight>,
    budget: Budget,
    /// What may be served if the function fails.
    stale: Option<Content>,
    /// Set while the user's closures look at the value: a panic in them is one of the function.
    pub(crate) judged: bool,
}

impl Run {
    fn new(core: &Arc<Core>, lead: Lead, budget: Budget) -> Self {
        Self {
            core: Arc::clone(core),
            flight: Arc::clone(lead.flight()),
            lead: Some(lead),
            budget,
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
        match &mut self.lead {
            Some(lead) => lead.poll(context, poll),
            None => poll(context),
        }
    }

    /// Tells those who wait, and lets nobody else join.
    fn end(&mut self, outcome: Outcome) {
        if let Some(mut lead) = self.lead.take() {
            self.core.memory.close(&self.flight);
            lead.end(outcome);
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        match self.lead.take() {
            Some(mut lead) => {
                if self.judged {
                    lead.end(Outcome::Panicked(Arc::from(
                        "the value of the load that this call waited for was refused by a panic",
                    )));
                }
                drop(lead);
                self.core.memory.land_if_idle(&self.flight);
            }
            None => self.core.memory.land(&self.flight),
        }
    }
}

/// One who waits; the last one to leave a flight that nobody leads forgets it.
struct Waiting<'a> {
    core: &'a Core,
    waiter: Option<Waiter>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(waiter) = self.waiter.take() {
            let flight = Arc::clone(waiter.flight());
            drop(waiter);
            if flight.is_idle() {
                self.core.memory.land_if_idle(&flight);
            }
        }
    }
}

/// A write to the shared tier. If it is fenced and nobody is left to take it back, that is done in the background.
struct Writing<'a> {
    ticket: &'a Ticket,
    flight: Arc<Flight>,
    done: bool,
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        if !self.done && self.flight.is_fenced() {
            self.ticket
                .core
                .invalidate_later(Name::Key(self.ticket.key.to_string()));
        }
    }
}

impl Ticket {
    fn tier(&self) -> Tier {
        self.site.map_or(Tier::Both, |site| site.tier)
    }

    /// Finds out how the call goes on. The first of several gets to run its function.
    pub(crate) async fn begin(&self) -> Begun {
        let core = &self.core;
        if self.refresh {
            self.counters.misses.fetch_add(1, Relaxed);
            return Begun::Run(Run::new(
                core,
                core.memory.load_alone(self.hash, &self.key),
                core.budget(),
            ));
        }
        let in_memory = core.in_memory(self.tier());
        let lead = loop {
            match core.memory.admit(self.hash, &self.key, in_memory) {
                Admission::Ready => {
                    if let Some(content) = core
                        .memory
                        .fresh(self.hash, &self.key, |entry| entry.content.clone())
                    {
                        self.counters.hit(crate::stats::LaneLease::SHARED);
                        return Begun::Content(content);
                    }
                }
                Admission::Joined(Joined::Lead(lead)) => break lead,
                Admission::Joined(Joined::Wait(waiter)) => {
                    let waiting = Waiting {
                        core,
                        waiter: Some(waiter),
                    };
                    let Some(waiter) = &waiting.waiter else { continue };
                    match waiter.wait(core.config.lease).await {
                        Ok(outcome) => {
                            self.counters.misses.fetch_add(1, Relaxed);
                            return self.follow(outcome);
                        }
                        Err(lead) => break lead,
                    }
                }
            }
        };
        let mut run = Run::new(core, lead, core.budget());
        if let Some(remote) = core.shared(self.tier()) {
            #[cfg(feature = "redis")]
            core.listen();
            match self.ask(remote, &mut run).await {
                Found::Fresh(content) => {
                    self.counters.redis_hits.fetch_add(1, Relaxed);
                    run.end(outcome_of(&content));
                    return Begun::Content(content);
                }
                Found::Stale(content) => run.stale = Some(content),
                Found::Nothing => {}
            }
        }
        self.counters.misses.fetch_add(1, Relaxed);
        Begun::Run(run)
    }

    fn commit(&self, run: &Run, draft: Draft) -> Committed {
        let committed = self.core.memory.commit(&run.flight, draft);
        if committed == Committed::Stored
            && let Some(arguments) = &self.arguments
        {
            self.core
                .memory
                .link(arguments, self.hash, &self.key, &self.counters);
        }
        committed
    }

    async fn ask(&self, remote: &Remote, run: &mut Run) -> Found {
        let wanted = Wanted {
            codec: self.codec,
            version: self.site.map(|site| site.version),
            counters: &self.counters,
        };
        let (found, draft) = self.core.fetch(remote, &self.key, &wanted, &mut run.budget).await;
        if let Some(draft) = draft
            && self.core.in_memory(self.tier())
        {
            self.commit(run, draft);
        }
        found
    }

    /// What another call's run means for this one.
    fn follow(&self, outcome: Outcome) -> Begun {
        match outcome {
            Outcome::Value(value) => {
                self.counters.coalesced.fetch_add(1, Relaxed);
                Begun::Content(Content::Value(value))
            }
            Outcome::Encoded(content) => {
                self.counters.coalesced.fetch_add(1, Relaxed);
                Begun::Content(Content::Encoded(content))
            }
            Outcome::Absent => {
                self.counters.coalesced.fetch_add(1, Relaxed);
                Begun::Content(Content::Absent)
            }
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
        let lead = self.core.memory.load_alone(self.hash, &self.key);
        Run::new(&self.core, lead, self.core.budget())
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
        let (content, ttl, size, outcome) = match loaded {
            Loaded::Failed(shared) => {
                counters.errors.fetch_add(1, Relaxed);
                return self.fall_back(run, shared);
            }
            Loaded::Absent => {
                let ttl = self.site.and_then(|site| site.none_ttl).unwrap_or(0);
                (Content::Absent, ttl, 0, Outcome::Absent)
            }
            Loaded::Value { value, size, verdict } => {
                let ttl = if verdict.store && self.is_short_enough(&value) {
                    self.ttl(verdict.ttl)
                } else {
                    0
                };
                (
                    Content::Value(Arc::clone(&value)),
                    ttl,
                    size,
                    Outcome::Value(value),
                )
            }
        };
        // A caller who was thought dead and replaced by one who has ended meanwhile has nothing to say any more.
        let open = run.lead.as_ref().is_some_and(Lead::is_open);
        if ttl == 0 || !open {
            run.end(outcome);
            if self.refresh && open {
                // What is there is not what the function gives now.
                self.core
                    .invalidate(Name::Key(self.key.to_string()), &mut run.budget)
                    .await;
            }
            return None;
        }
        let stale = self.stale_if_error.map_or(0, millis);
        let keep = Keep {
            content,
            ttl,
            stale,
            tier: self.tier(),
            version: self.site.map_or(0, |site| site.version),
            generations: Box::default(),
            encoded: None,
            size,
        };
        self.keep(run, keep, outcome).await;
        None
    }

    async fn keep(&self, mut run: Run, mut keep: Keep, outcome: Outcome) {
        let core = &self.core;
        let remote = core.shared(keep.tier);
        if (remote.is_some() || core.memory.weighs())
            && let (Content::Value(value), Some(codec)) = (&keep.content, self.codec)
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
        }
        let in_memory = core.in_memory(keep.tier);
        let mut outrun = false;
        if in_memory {
            outrun = self.commit(&run, core.draft(&keep, &self.counters)) == Committed::Outrun;
            run.end(outcome.clone());
        }
        let absent = matches!(keep.content, Content::Absent);
        let payload = keep.encoded.take();
        let fits = payload
            .as_ref()
            .map_or(absent, |bytes| bytes.len() <= core.config.max_value_bytes);
        if let Some(remote) = remote.filter(|_| fits && !outrun) {
            let bytes =
                Core::stored(&keep, remote, payload).write(&self.key, core.config.compression_threshold);
            let full = core.full_key(&self.key);
            let life = Duration::from_millis(keep.ttl + keep.stale);
            if !run.flight.is_fenced() {
                self.counters.bytes.fetch_add(bytes.len() as u64, Relaxed);
                // An invalidation may pass between this question and the write, or this caller may leave.
                let mut writing = Writing {
                    ticket: self,
                    flight: Arc::clone(&run.flight),
                    done: false,
                };
                let written = remote.set(&full, bytes, life, &mut run.budget).await;
                if run.flight.is_fenced() {
                    core.invalidate(Name::Key(self.key.to_string()), &mut core.budget())
                        .await;
                }
                writing.done = true;
                if written.is_err() && remote.is_up() {
                    // It was refused or came too late; what is there is older.
                    core.invalidate_later(Name::Key(self.key.to_string()));
                }
            }
        }
        if !in_memory {
            run.end(outcome);
        }
    }

    /// The function failed: what is stale is served if that was asked for, else all get the error.
    fn fall_back(&self, mut run: Run, shared: Option<Arc<dyn Any + Send + Sync>>) -> Option<Content> {
        if self.stale_if_error.is_some() {
            let stale = self
                .core
                .memory
                .any(self.hash, &self.key, |entry| {
                    (entry.content.clone(), entry.serve_until(), entry.size())
                })
                .map(|(content, until, size)| (content, until.saturating_sub(crate::clock::now()), size))
                .or_else(|| {
                    run.stale
                        .take()
                        .map(|content| (content, millis(self.core.config.stale_throttle), 0))
                });
            if let Some((content, left, size)) = stale {
                self.counters.stale_served.fetch_add(1, Relaxed);
                // Until the next try, callers are served from memory without waiting for another failure.
                let now = crate::clock::now();
                let draft = Draft {
                    content: content.clone(),
                    fresh_until: now + left.min(millis(self.core.config.stale_throttle)),
                    serve_until: now + left,
                    remaining: left,
                    generations: Box::default(),
                    size,
                    local: self.core.remote.is_none(),
                    owner: Arc::clone(&self.counters),
                };
                if self.core.in_memory(self.tier()) {
                    self.commit(&run, draft);
                }
                run.end(outcome_of(&content));
                return Some(content);
            }
        }
        run.end(shared.map_or(Outcome::FailedAlone, Outcome::Failed));
        None
    }

    /// What was said, else what the attribute says, else what holds for the namespace: all that a key begins with.
    fn ttl(&self, said: Option<Duration>) -> u64 {
        said.or(self.ttl)
            .map(millis)
            .or(self.site.and_then(|site| site.ttl))
            .unwrap_or_else(|| millis(self.core.default_ttl(&self.key)))
    }

    fn is_short_enough(&self, value: &Value) -> bool {
        let bounded = self.site.is_some_and(|site| site.bounded);
        let Some(codec) = self.codec.filter(|_| bounded) else {
            return true;
        };
        (codec.count)(value.as_ref()).is_none_or(|count| count <= self.core.config.max_search_results)
    }
}

fn outcome_of(content: &Content) -> Outcome {
    match content {
        Content::Value(value) => Outcome::Value(Arc::clone(value)),
        Content::Encoded(encoded) => Outcome::Encoded(Arc::clone(encoded)),
        Content::Absent => Outcome::Absent,
    }
}
