//! What a load asks of the shared tier before its function runs: the entry, the nonces that it depends on, and the claim of
//! the key. Invariant: nonces are known before the function begins, and a load without a claim stores nothing there.

use std::hash::Hasher;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::time::Instant;

use super::super::read::{Fetched, Found, Wanted};
use super::super::standing::{Dependencies, Standing};
use super::super::watch;
use super::run::Older;
use super::{Begun, Run, Ticket, refresh_at};
use crate::clock;
use crate::config::duration::millis;
use crate::entry::Seen;
use crate::flight::Outcome;
use crate::memory::{Committed, Draft};
use crate::remote::Remote;
use crate::remote::guard::{Aim, Claim, Claimed};

/// How often the key is looked at while a load of another process holds it: at first, and at most.
const FIRST_LOOK: Duration = Duration::from_millis(2);
const LAST_LOOK: Duration = Duration::from_millis(200);
/// The loads of other processes that one call waits for.
const MOST_WAITS: u32 = 2;
/// The entries that may come while a key is being claimed and turn out to be of no use.
const MOST_USELESS: u32 = 3;

/// A key on its way to be claimed.
pub(super) struct Attempt {
    claim: Claim,
    /// With the prefix.
    key: String,
    began: Instant,
    waits: u32,
    useless: u32,
    looked: bool,
}

/// What was seen when a key was to be claimed.
pub(super) enum Look {
    /// There is nothing more to see; the function is to run where nothing is given.
    Over(Option<Begun>),
    /// An entry that has come meanwhile.
    Found(Vec<u8>),
    /// A load of another process holds it, for this long unless it gives a sign of life.
    Held { left: Duration },
}

impl Ticket {
    /// A load that replaces whatever is there.
    pub(super) async fn replace(&self, names: &Dependencies) -> Box<Run> {
        let core = &self.core;
        let mut run = self.run_alone(names);
        let Some(remote) = self.reachable() else {
            return run;
        };
        run.origin = core.origin(remote, &self.key, names.iter().map(|generation| &generation.name));
        run.standing = Standing::of(core.snapshots(Some(remote), names, &mut run.budget).await);
        if let Some(claim) = self.claim(&run, Aim::Replace, Seen::EMPTY) {
            let key = core.full_key(&self.key);
            run.flight.set_claimed(true);
            let claimed = remote.claim(&key, &claim, &mut run.budget).await;
            run.claimed = (claimed == Ok(Claimed::Granted)).then(Instant::now);
        }
        run
    }

    pub(super) fn commit(&self, run: &Run, mut draft: Draft) -> Committed {
        if let Some(site) = self.site {
            draft.refresh_at = refresh_at(&draft, site);
            let now = clock::now();
            // What is due was seen to, or is left in peace; the next one is told in a while.
            if draft.read && draft.refresh_at <= now {
                let throttle = millis(self.core.config.stale_throttle);
                draft.refresh_at = draft.retry_at.max(now.saturating_add(throttle));
            }
        }
        let committed = self.core.memory.commit(&run.flight, draft);
        if committed == Committed::Stored {
            self.link();
        }
        committed
    }

    /// Looks for the entry in the shared tier, which can be reached, and claims its key there if it is of no use. Nothing is given
    /// when the function is to run.
    pub(super) async fn ask(&mut self, run: &mut Run, names: &Dependencies) -> Option<Begun> {
        let core = &self.core;
        let remote = core.shared(self.tier())?;
        run.origin = core.origin(remote, &self.key, names.iter().map(|generation| &generation.name));
        let wanted = self.wanted(names, &run.standing);
        let fetched = core.fetch(remote, &self.key, &wanted, &mut run.budget).await;
        #[cfg(test)]
        core.memory.register_late(&run.flight);
        let mut seen = Seen::EMPTY;
        if let Some(begun) = self.consider(run, fetched, &mut seen) {
            return Some(begun);
        }
        // On its own, so that a hit has no room to make for it.
        Box::pin(self.acquire(run, names, seen)).await
    }

    /// Claims the key in the shared tier, or waits for the load that holds it. Nothing is given when the function is to run.
    async fn acquire(&mut self, run: &mut Run, names: &Dependencies, seen: Seen) -> Option<Begun> {
        let core = Arc::clone(&self.core);
        let remote = core.shared(self.tier())?;
        let mut attempt = self.attempt(remote, run, names, seen).await?;
        let first = self.look(remote, run, &mut attempt).await;
        self.hold_out(remote, run, names, attempt, first).await
    }

    /// What it takes to claim the key. Nothing is given when a generation is not known, so that nothing could be stored.
    pub(super) async fn attempt(
        &self,
        remote: &Remote,
        run: &mut Run,
        names: &Dependencies,
        seen: Seen,
    ) -> Option<Attempt> {
        let core = &self.core;
        let mut snapshots = core.standing(names, false);
        if snapshots.iter().any(|snapshot| snapshot.nonce.is_none()) {
            // What was told meanwhile may have missed something.
            snapshots = core.snapshots(Some(remote), names, &mut run.budget).await;
        }
        run.standing = Standing::of(snapshots);
        let aim = if self.background { Aim::Refresh } else { Aim::Fill };
        Some(Attempt {
            claim: self.claim(run, aim, seen)?,
            key: core.full_key(&self.key),
            began: Instant::now(),
            waits: 0,
            useless: 0,
            looked: false,
        })
    }

    /// Asks for the key once.
    pub(super) async fn look(&self, remote: &Remote, run: &mut Run, attempt: &mut Attempt) -> Look {
        let core = &self.core;
        // What was invalidated meanwhile is stored nowhere; nobody is to wait for it.
        if run.flight.outcome().is_some() || !run.stands() {
            return Look::Over(None);
        }
        // What is there is what an invalidation that Redis did not take yet is about.
        if core.pending.covers(&self.key) {
            return Look::Over(None);
        }
        // Until the answer is there, and if it never comes, the key may be held.
        run.flight.set_claimed(true);
        let mut budget = run.budget.part();
        let answer = remote.claim(&attempt.key, &attempt.claim, &mut budget).await;
        // After the first look it is somebody else's load that is waited for, as long as that goes on.
        let goes_on = matches!(answer, Ok(Claimed::Held { .. }));
        if !std::mem::replace(&mut attempt.looked, true) || !goes_on {
            run.budget = budget;
        }
        match answer {
            Ok(Claimed::Granted) => {
                run.claimed = Some(Instant::now());
                return Look::Over(None);
            }
            Ok(_) => run.flight.set_claimed(false),
            Err(_) => {}
        }
        match answer {
            Ok(Claimed::Granted) | Err(_) => Look::Over(None),
            // Everybody whom that failure concerns is served an older value, or runs for itself, and at once.
            Ok(Claimed::Failed) => {
                let Some(older) = self.stale_to_serve(run, self.stale_if_error) else {
                    return Look::Over(None);
                };
                run.end(Outcome::Stale(older.content.clone()));
                Look::Over(Some(self.serve_stale(older.content)))
            }
            Ok(Claimed::Found(bytes)) => Look::Found(bytes),
            Ok(Claimed::Held { by, left }) => {
                if self.background {
                    return Look::Over(Some(Begun::Nothing));
                }
                if run.flight.alone {
                    // It may be inside of the load that holds the key.
                    return Look::Over(None);
                }
                if by != attempt.claim.waited {
                    attempt.claim.waited = by;
                    attempt.waits += 1;
                    if attempt.waits > MOST_WAITS {
                        return Look::Over(None);
                    }
                }
                Look::Held { left }
            }
        }
    }

    /// Goes on until the key is claimed, or somebody else's load has ended. Nothing is given when the function is to run.
    pub(super) async fn hold_out(
        &mut self,
        remote: &Remote,
        run: &mut Run,
        names: &Dependencies,
        mut attempt: Attempt,
        mut look: Look,
    ) -> Option<Begun> {
        loop {
            match look {
                Look::Over(begun) => return begun,
                Look::Found(bytes) => {
                    let wanted = self.wanted(names, &run.standing);
                    let core = Arc::clone(&self.core);
                    let mut fetched = core
                        .decode(remote, &self.key, bytes, &wanted, &mut run.budget)
                        .await;
                    // The server gives nothing away that is not fresh by its clock; ours is right but for the way to it.
                    if let Found::Stale(draft) = fetched.found {
                        fetched.found = Found::Fresh(draft);
                    }
                    if let Some(begun) = self.consider(run, fetched, &mut attempt.claim.seen) {
                        return Some(begun);
                    }
                    attempt.useless += 1;
                    if attempt.useless > MOST_USELESS {
                        return None;
                    }
                }
                Look::Held { left } => {
                    let so_far = attempt.began.elapsed();
                    let soft = self
                        .soft_deadline
                        .is_some_and(|deadline| tokio::time::Instant::now() >= deadline);
                    // What memory has was served by then.
                    let soft = soft && self.stale_in_memory(self.window()).is_none();
                    if soft && let Some(older) = self.stale_to_serve(run, self.window()) {
                        let lead = run.lead.take()?;
                        return Some(self.serve_early(older, lead));
                    }
                    run.flight.is_polled();
                    let next = (so_far / 8)
                        .clamp(FIRST_LOOK, LAST_LOOK)
                        .min(left.max(FIRST_LOOK));
                    let gone = remote.until_gone(&attempt.key);
                    run.flight.until_called(next, gone).await;
                }
            }
            look = self.look(remote, run, &mut attempt).await;
        }
    }

    pub(super) fn wanted<'a>(&'a self, names: &'a Dependencies, standing: &'a Standing) -> Wanted<'a> {
        Wanted {
            codec: self.codec,
            version: self.site.map(|site| site.version),
            names,
            standing: Some(standing),
            asked: &[],
            counters: &self.counters,
        }
    }

    /// Whether what was read ends the search. `seen` becomes the head of an entry that this load is to replace.
    pub(super) fn consider(&mut self, run: &mut Run, fetched: Fetched, seen: &mut Seen) -> Option<Begun> {
        match fetched.found {
            Found::Fresh(draft) => {
                let now = clock::now();
                let due = self.site.is_some_and(|site| now >= refresh_at(&draft, site));
                let in_peace = draft.retry_at > now;
                let content = draft.content.clone();
                // Callers who come while it is refreshed are served it.
                let is_held =
                    self.core.in_memory(self.tier()) && self.commit(run, draft) == Committed::Stored;
                if self.background {
                    if due {
                        *seen = fetched.seen;
                        return in_peace.then_some(Begun::Nothing);
                    }
                } else {
                    self.counters.redis_hits.fetch_add(1, Relaxed);
                    watch::hit(self.site, "redis");
                }
                run.end(Outcome::Loaded(content.clone()));
                // Without a copy in memory, others would wait for the refresh of what is fresh.
                if due && !in_peace && is_held {
                    watch::refresh(self.site);
                    self.background = true;
                    return Some(Begun::Early(content));
                }
                Some(Begun::Content(content))
            }
            Found::Stale(draft) => {
                *seen = Seen::EMPTY;
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
                // Whoever has no more time looks for it in memory.
                let is_bounded = self.site.is_some_and(|site| site.hard_timeout > 0);
                let in_time = self
                    .soft_deadline
                    .is_none_or(|deadline| Instant::now() < deadline);
                if is_bounded
                    && in_time
                    && self.core.in_memory(self.tier())
                    && self.stale_in_memory(self.window()).is_none()
                {
                    self.commit(run, draft.clone());
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
    fn claim(&self, run: &Run, aim: Aim, seen: Seen) -> Option<Claim> {
        let mut terms = Terms64::default();
        terms.write(&self.site.map_or(0, |site| site.version).to_le_bytes());
        if let Some(codec) = self.codec {
            terms.write(&self.core.shape_of(codec).to_le_bytes());
        }
        for snapshot in &*run.standing.snapshots {
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
