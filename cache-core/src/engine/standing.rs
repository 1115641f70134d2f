//! How the generations that entries depend on stand, and asking the shared tier for the nonces that are not known here.
//! Invariant: a nonce that an invalidation is under way for is not taken for known.

use std::sync::{Arc, PoisonError};

use super::remove::generation;
use super::site::Site;
use super::{Core, Names};
use crate::config::duration::millis;
use crate::generations::{Before, Generation, Snapshot, fresh_nonce};
use crate::remote::{Budget, Remote};

/// How often a nonce is asked for when each answer comes to nothing, because of an invalidation, or because only now those of
/// other processes are heard.
const MOST_ASKED: u32 = 3;

impl Core {
    /// How long what is known of a nonce is taken for granted, in milliseconds.
    fn nonce_age(&self, remote: &Remote) -> u64 {
        // Where no invalidation of others is heard, the shared tier is asked every time.
        if remote.is_deaf() {
            0
        } else {
            millis(self.config.memory_ttl)
        }
    }

    /// Those of some generations whose nonces the shared tier has to be asked for.
    pub(super) fn unknown(&self, remote: &Remote, generations: &[Arc<Generation>]) -> Vec<Arc<Generation>> {
        let (age, runs) = (self.nonce_age(remote), remote.runs());
        generations
            .iter()
            // The shared tier still has the nonce that an invalidation it did not take is about.
            .filter(|generation| {
                !generation.is_known(age, runs) && !self.pending.covers_generation(&generation.name)
            })
            .cloned()
            .collect()
    }

    /// How some generations stand, unless the shared tier has to be asked for the nonce of one of them.
    pub(super) fn standing_known(
        &self,
        remote: &Remote,
        generations: &[Arc<Generation>],
    ) -> Option<Arc<[Snapshot]>> {
        let (age, runs) = (self.nonce_age(remote), remote.runs());
        let standing: Arc<[Snapshot]> = generations
            .iter()
            .map(|generation| generation.snapshot_of(age, runs))
            .collect();
        let is_known = |snapshot: &Snapshot| {
            snapshot.nonce.is_some() && !self.pending.covers_generation(&snapshot.generation.name)
        };
        standing.iter().all(is_known).then_some(standing)
    }

    /// What the shared tier is asked, and how things stood before.
    pub(super) fn questions(
        &self,
        remote: &Remote,
        generations: &[Arc<Generation>],
    ) -> (Vec<Before>, Vec<(String, u64)>) {
        let runs = remote.runs();
        generations
            .iter()
            .map(|generation| {
                let question = (self.generation_key(&generation.name), fresh_nonce());
                (generation.before(runs), question)
            })
            .unzip()
    }

    /// How some generations stand. Nonces that the shared tier does not tell are missing.
    pub(crate) async fn snapshots(
        &self,
        remote: Option<&Remote>,
        generations: &[Arc<Generation>],
        budget: &mut Budget,
    ) -> Arc<[Snapshot]> {
        let mut missing = false;
        if let Some(remote) = remote {
            let mut unknown = self.unknown(remote, generations);
            for _ in 0..MOST_ASKED {
                if unknown.is_empty() {
                    break;
                }
                let (before, asked) = self.questions(remote, &unknown);
                let Ok(nonces) = Box::pin(remote.learn(&asked, budget)).await else {
                    missing = true;
                    break;
                };
                unknown = learn(&unknown, &before, &nonces);
            }
        }
        self.standing(generations, missing)
    }

    /// How some generations stand, as far as is known here.
    pub(crate) fn standing(&self, generations: &[Arc<Generation>], without_nonces: bool) -> Arc<[Snapshot]> {
        generations
            .iter()
            .map(|generation| {
                let known = !without_nonces && !self.pending.covers_generation(&generation.name);
                generation.snapshot(if known { u64::MAX } else { 0 })
            })
            .collect()
    }

    /// The generations of what is stored under a key alone.
    pub(crate) fn generations_of(&self, key: &str, tags: &[String]) -> Names {
        let namespace = key.split(':').next().unwrap_or_default();
        let own = [
            self.generations.of(&generation::of_no_function(namespace)),
            self.generations.of(&generation::of_namespace(namespace)),
        ];
        self.with_tags(&own, tags)
    }

    /// The generations of what a function stores under a key.
    pub(crate) fn generations_of_function(&self, site: &Site, key: &str, tags: &[String]) -> Names {
        let namespace = key.split(':').next().unwrap_or_default();
        // A method of a generic type has one number and several namespaces.
        let is_of_key = |own: &[Arc<Generation>]| {
            own.last()
                .is_some_and(|own| generation::is_of_namespace(&own.name, namespace))
        };
        let table = self.of_functions.read().unwrap_or_else(PoisonError::into_inner);
        let known = table.get(&site.id()).filter(|own| is_of_key(own)).map(Arc::clone);
        drop(table);
        let own = known.unwrap_or_else(|| {
            let function = generation::of_function(site.path, site.template, namespace);
            let own: Names = [
                self.generations.of(&function),
                self.generations.of(&generation::of_namespace(namespace)),
            ]
            .into();
            let mut table = self.of_functions.write().unwrap_or_else(PoisonError::into_inner);
            table.insert(site.id(), Arc::clone(&own));
            own
        });
        if tags.is_empty() {
            own
        } else {
            self.with_tags(&own, tags)
        }
    }

    fn with_tags(&self, own: &[Arc<Generation>], tags: &[String]) -> Names {
        let tags = tags
            .iter()
            .map(|tag| self.generations.of(&generation::of_tag(tag)));
        own.iter().map(Arc::clone).chain(tags).collect()
    }
}

/// Takes over what the shared tier said. Gives those of which it was not taken over.
pub(super) fn learn(
    generations: &[Arc<Generation>],
    before: &[Before],
    nonces: &[u64],
) -> Vec<Arc<Generation>> {
    generations
        .iter()
        .zip(before)
        .zip(nonces)
        .filter(|((generation, before), nonce)| !generation.learn(**before, **nonce))
        .map(|((generation, _), _)| Arc::clone(generation))
        .collect()
}
