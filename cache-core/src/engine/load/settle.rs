//! What becomes of the result of a load: stored, or an older value in its place. Invariant: memory holds nothing that the
//! shared tier has refused, and those who wait are told before anything is stored.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::time::Instant;

use super::super::{Keep, watch};
use super::run::Older;
use super::{Loaded, Run, Ticket, part_of};
use crate::clock;
use crate::codec::{Codec, Content, Dates, Value};
use crate::config::duration::millis;
use crate::engine::remove::Name;
use crate::entry;
use crate::flight::{Lead, Outcome};
use crate::generations::{Snapshot, fresh_nonce};
use crate::memory::Committed;
use crate::planted::{Bug, planted};
use crate::remote::guard::End;
use crate::remote::{News, Remote};

/// What became of a value in the shared tier.
#[derive(Clone, Copy, PartialEq, Eq)]
enum There {
    /// It may not have arrived, or was not sent.
    Nothing,
    Stored,
    /// The key was deleted or taken over by a newer load meanwhile.
    Refused,
}

/// An older value to serve in the place of an error.
pub(crate) type Stale = Option<(Content, Option<Codec>)>;

/// What is to be waited for before the result of a load is settled.
pub(crate) enum Left {
    /// A value is to be stored in the shared tier.
    Keep(Keep),
    /// What is stored is not what the function gives now.
    Invalidate,
    /// The claim is to be given back. The caller is served an older value, if there is one.
    Release(Option<Content>, Duration),
}

impl Ticket {
    /// Stores what the function gave and tells those who wait. Gives a stale value to serve instead of an error.
    pub(crate) async fn finish(
        self: Box<Self>,
        mut run: Box<Run>,
        loaded: Loaded,
        started: Instant,
    ) -> Stale {
        match self.finish_at_once(&mut run, loaded, started) {
            Ok(stale) => stale,
            Err(left) => self.finish_later(run, left).await,
        }
    }

    /// The same, as far as nothing has to be waited for; else what is left to do.
    pub(crate) fn finish_at_once(
        &self,
        run: &mut Run,
        loaded: Loaded,
        started: Instant,
    ) -> Result<Stale, Left> {
        let stale = self.settle(run, loaded, started.elapsed())?;
        Ok(stale.map(|content| (content, self.codec)))
    }

    /// Does what is left.
    pub(crate) async fn finish_later(self: Box<Self>, mut run: Box<Run>, left: Left) -> Stale {
        match left {
            Left::Keep(keep) => self.keep(&mut run, keep).await,
            Left::Invalidate => {
                let mut budget = self.core.budget();
                self.core
                    .invalidate(Name::Key(self.key.to_string()), &mut budget)
                    .await;
                run.unclaim();
            }
            Left::Release(stale, throttle) => {
                run.release(End::Failed { throttle }).await;
                return stale.map(|content| (content, self.codec));
            }
        }
        None
    }

    fn settle(&self, run: &mut Run, loaded: Loaded, took: Duration) -> Result<Option<Content>, Left> {
        let counters = &self.counters;
        counters.loaded(took);
        let outcome = match &loaded {
            Loaded::Value { .. } => "loaded",
            Loaded::Absent => "absent",
            Loaded::Failed(_) => "failed",
        };
        watch::loaded(self.site, self.tier(), outcome, took, self.background);
        let (content, ttl, size) = match loaded {
            Loaded::Failed(shared) => {
                counters.errors.fetch_add(1, Relaxed);
                let (stale, throttle) = self.fall_back(run, shared);
                return run.settled(stale, throttle);
            }
            Loaded::Absent => {
                let ttl = self.site.map_or(0, |site| site.none_ttl);
                (Content::Absent, ttl, 0)
            }
            Loaded::Value { value, size, verdict } => {
                let ttl = if verdict.store && self.is_short_enough(&value) {
                    let most = verdict.most.map_or(u64::MAX, millis);
                    self.ttl_of(verdict.ttl).min(most)
                } else {
                    0
                };
                (Content::Value(value), ttl, size)
            }
        };
        // A caller who was thought dead and replaced by one who has ended meanwhile has nothing to say any more.
        let open = run.lead.as_ref().is_some_and(Lead::is_open);
        if ttl == 0 || !open {
            // Where there is nothing any more, nothing older is to be served when a later load fails.
            let replaces =
                self.refresh || (matches!(content, Content::Absent) && run.stands() && self.has_older(run));
            run.end(Outcome::Loaded(content));
            return match (open, replaces) {
                (true, true) => Err(Left::Invalidate),
                // Those who wait in other processes need not wait for one another.
                (true, false) => run.settled(None, Duration::ZERO),
                (false, _) => Ok(None),
            };
        }
        let generations = if planted(Bug::GenerationAfterLoad) {
            self.core.standing(&self.names(), false)
        } else {
            Arc::clone(&run.standing.snapshots)
        };
        let mut keep = self.keeping(content, ttl, size, generations);
        if run.claimed.is_some() {
            return Err(Left::Keep(keep));
        }
        if let Some(born) = self.tell(run, &mut keep) {
            self.keep_here(run, &keep, born, There::Nothing);
        }
        Ok(None)
    }

    /// A value to be stored on this function's terms.
    pub(super) fn keeping(
        &self,
        content: Content,
        ttl: u64,
        size: usize,
        generations: Arc<[Snapshot]>,
    ) -> Keep {
        Keep {
            content,
            ttl,
            stale: self.stale_if_error.max(self.stale_while_revalidate()),
            tier: self.tier(),
            version: self.site.map_or(0, |site| site.version),
            shape: 0,
            codec: self.codec.map_or(entry::JSON, |codec| codec.format),
            generations,
            encoded: None,
            size,
        }
    }

    /// Stores a value: in the shared tier first, and in memory only if it was not refused there.
    pub(super) async fn keep(&self, run: &mut Run, mut keep: Keep) {
        let Some(born) = self.tell(run, &mut keep) else {
            return;
        };
        let there = match self.core.shared(keep.tier) {
            Some(remote) if run.claimed.is_some() => self.keep_there(remote, run, &mut keep).await,
            _ => There::Nothing,
        };
        self.keep_here(run, &keep, born, there);
        let throttle = Duration::ZERO;
        // Those who wait run for themselves where there is nothing to be stored, and one for all after an invalidation.
        let end = if run.stands() {
            End::Failed { throttle }
        } else {
            End::Dropped
        };
        run.release(end).await;
    }

    /// Tells those who wait, and gives when the value was loaded; nothing when somebody else has told them before.
    fn tell(&self, run: &mut Run, keep: &mut Keep) -> Option<u64> {
        let born = clock::now();
        self.date(&keep.content, born, keep.ttl);
        run.tell(Outcome::Loaded(keep.content.clone()));
        if !run.spoke {
            self.date(&keep.content, born, 0);
            return None;
        }
        let remote = self.core.shared(keep.tier);
        self.encode(remote.filter(|_| run.claimed.is_some()), keep);
        Some(born)
    }

    /// Stores a value in the shared tier, if all it depends on is as it was.
    async fn keep_there(&self, remote: &Remote, run: &mut Run, keep: &mut Keep) -> There {
        let core = &self.core;
        let payload = keep.encoded.take();
        let fits = payload
            .as_ref()
            .map_or(matches!(keep.content, Content::Absent), |bytes| {
                bytes.len() <= core.config.max_value_bytes
            });
        if !fits || !run.stands() {
            return There::Nothing;
        }
        let stored = core
            .stored(&self.key, keep, remote, run.token, payload)
            .filter(|stored| run.began_with(stored.origin));
        let Some(stored) = stored else {
            return There::Nothing;
        };
        let bytes = stored.write(&self.key, core.config.compression_threshold);
        let length = bytes.len() as u64;
        let full = core.full_key(&self.key);
        let life = Duration::from_millis(keep.ttl + keep.stale);
        let (token, news) = (run.token, News::loaded(&self.key));
        let told = remote
            .commit(&full, token, bytes, life, &news, &mut run.budget)
            .await;
        match told {
            Ok(true) => {
                run.unclaim();
                self.counters.bytes.fetch_add(length, Relaxed);
                There::Stored
            }
            Ok(false) => {
                run.unclaim();
                There::Refused
            }
            // It may still arrive, if the claim then stands.
            Err(_) => There::Nothing,
        }
    }

    /// Stores a value in memory, given what became of it in the shared tier.
    fn keep_here(&self, run: &mut Run, keep: &Keep, born: u64, there: There) {
        let core = &self.core;
        if self.refresh && there == There::Nothing && core.shared(keep.tier).is_some() {
            // What is there is older.
            core.invalidate_later(Name::Key(self.key.to_string()));
        }
        let mut is_held = there == There::Stored;
        if there != There::Refused && core.in_memory(keep.tier) {
            let committed = self.commit(run, core.draft(keep, born, &self.counters));
            is_held |= committed == Committed::Stored;
        }
        if !is_held {
            self.date(&keep.content, born, 0);
        }
    }

    /// Tells a value that was loaded just now how long it is fresh; 0 for one that was refused, which nobody may keep.
    fn date(&self, content: &Content, at: u64, life: u64) {
        if let (Content::Value(value), Some(codec)) = (content, self.codec) {
            (codec.date)(value.as_ref(), Dates { at, age: 0, life });
        }
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
                    watch::unwritten(self.site, &reason, self.counters.is_first_unwritten());
                }
            }
            if remote.is_some() {
                keep.shape = self.core.shape_of(codec);
            }
        }
    }

    /// The function failed: what is stale is served if that was asked for, else all get the error. Gives what is served, and for
    /// how long the function is left in peace.
    fn fall_back(
        &self,
        run: &mut Run,
        shared: Option<Arc<dyn Any + Send + Sync>>,
    ) -> (Option<Content>, Duration) {
        let peace = self.core.config.stale_throttle;
        let until = clock::now() + millis(peace);
        let stale = self.stale_to_serve(run, self.stale_if_error);
        let stale = stale.map(|older| older.content);
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
        (stale, throttle)
    }

    /// An older value that may be served for `window` milliseconds past its TTL, wherever it is.
    pub(super) fn stale_to_serve(&self, run: &Run, window: u64) -> Option<Older> {
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

    /// Whether there is a value past its TTL that may still be served.
    fn has_older(&self, run: &Run) -> bool {
        let window = self.window();
        window > 0 && (run.stale.is_some() || self.stale_in_memory(window).is_some())
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

    /// What was said, else what the attribute says, else what holds for the namespace: all that a key begins with.
    pub(super) fn ttl_of(&self, said: Option<Duration>) -> u64 {
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

    pub(super) fn is_short_enough(&self, value: &Value) -> bool {
        let bounded = self.site.is_some_and(|site| site.bounded);
        let Some(codec) = self.codec.filter(|_| bounded) else {
            return true;
        };
        (codec.count)(value.as_ref()).is_none_or(|count| count <= self.core.config.max_search_results)
    }
}
