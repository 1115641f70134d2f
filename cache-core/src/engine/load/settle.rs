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

impl Ticket {
    /// Stores what the function gave and tells those who wait. Gives a stale value to serve instead of an error.
    pub(crate) async fn finish(
        self: Box<Self>,
        run: Box<Run>,
        loaded: Loaded,
        started: Instant,
    ) -> Option<(Content, Option<Codec>)> {
        let stale = self.settle(*run, loaded, started).await?;
        Some((stale, self.codec))
    }

    async fn settle(&self, mut run: Run, loaded: Loaded, started: Instant) -> Option<Content> {
        let counters = &self.counters;
        let took = started.elapsed();
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
                return self.fall_back(run, shared).await;
            }
            Loaded::Absent => {
                let ttl = self.site.and_then(|site| site.none_ttl).unwrap_or(0);
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
        let keep = self.keeping(content, ttl, size, generations);
        self.keep(run, keep).await;
        None
    }

    /// A value to be stored on this function's terms.
    pub(super) fn keeping(
        &self,
        content: Content,
        ttl: u64,
        size: usize,
        generations: Box<[Snapshot]>,
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
    pub(super) async fn keep(&self, mut run: Run, mut keep: Keep) {
        let core = &self.core;
        let remote = core.shared(keep.tier);
        let born = clock::now();
        self.date(&keep.content, born, keep.ttl);
        run.tell(Outcome::Loaded(keep.content.clone()));
        if !run.spoke {
            return self.date(&keep.content, born, 0);
        }
        self.encode(remote.filter(|_| run.claimed), &mut keep);
        let payload = keep.encoded.take();
        let fits = payload
            .as_ref()
            .map_or(matches!(keep.content, Content::Absent), |bytes| {
                bytes.len() <= core.config.max_value_bytes
            });
        let mut may_hold = true;
        let mut is_held = false;
        if let Some(remote) = remote {
            let stored = if run.claimed && fits && run.stands() {
                core.stored(&self.key, &keep, remote, run.token, payload)
                    .filter(|stored| run.began_with(stored.origin))
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
                        is_held = true;
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
            let committed = self.commit(&run, core.draft(&keep, born, &self.counters));
            is_held |= committed == Committed::Stored;
        }
        if !is_held {
            self.date(&keep.content, born, 0);
        }
        let throttle = Duration::ZERO;
        run.release(End::Failed { throttle }).await;
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
