//! How the generations that entries depend on stand, kept between calls for each function, and asking the shared tier for the
//! nonces that are not known here. Invariants: a nonce that an invalidation is under way for is not taken for known; what is kept
//! is believed only as long as the count of changes, the runs of the servers and the age of the oldest nonce allow it.

use std::any::TypeId;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::remove::generation;
use super::site::Site;
use super::{Core, Names};
use crate::codec::Codec;
use crate::config::duration::millis;
use crate::generations::{Before, Generation, Snapshot, fresh_nonce, is_recent};
use crate::planted::{Bug, planted};
use crate::remote::{Budget, Remote};

/// How often a nonce is asked for when each answer comes to nothing, because of an invalidation, or because only now those of
/// other processes are heard.
const MOST_ASKED: u32 = 3;

/// What an entry can be invalidated by: the generations of its function, of its namespace and of its tags, in this order.
#[derive(Default)]
pub(crate) struct Dependencies {
    generations: Vec<Arc<Generation>>,
    /// How they stood when somebody looked last.
    last: Mutex<Option<Standing>>,
    /// The shape of the type that was asked for first: of all, but for methods of generic types.
    shape: OnceLock<(TypeId, u64)>,
}

/// How generations stood when somebody looked.
#[derive(Clone)]
pub(crate) struct Standing {
    pub(crate) snapshots: Arc<[Snapshot]>,
    /// The number of changes there had been.
    changes: u64,
    /// Which runs of which servers the nonces are of.
    runs: u64,
    /// When the first of the nonces was asked for; zero where one of them is not known.
    asked: u64,
}

impl Standing {
    /// Of nonces that nobody vouches for.
    pub(crate) fn of(snapshots: Arc<[Snapshot]>) -> Self {
        Self {
            snapshots,
            changes: 0,
            runs: 0,
            asked: 0,
        }
    }
}

impl Dependencies {
    fn last(&self) -> MutexGuard<'_, Option<Standing>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FromIterator<Arc<Generation>> for Dependencies {
    fn from_iter<I: IntoIterator<Item = Arc<Generation>>>(generations: I) -> Self {
        Self {
            generations: generations.into_iter().collect(),
            last: Mutex::default(),
            shape: OnceLock::new(),
        }
    }
}

impl Deref for Dependencies {
    type Target = [Arc<Generation>];

    fn deref(&self) -> &[Arc<Generation>] {
        &self.generations
    }
}

/// How many namespaces of methods of generic types are kept.
const MOST_OTHERS: usize = 1024;

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

    /// How what an entry depends on stands, unless the shared tier has to be asked for a nonce.
    pub(super) fn standing_known(&self, remote: &Remote, names: &Dependencies) -> Option<Standing> {
        let mut last = names.last();
        if let Some(last) = last.as_ref().filter(|last| self.is_still_known(remote, last)) {
            return Some(last.clone());
        }
        // Before all else: what changes from here on makes it another one.
        let changes = self.generations.changes();
        let runs = remote.runs();
        let (snapshots, asked) = self.look(remote, names)?;
        let standing = Standing {
            snapshots,
            changes,
            runs,
            asked,
        };
        *last = Some(standing.clone());
        Some(standing)
    }

    /// Whether all nonces of a standing are known, and are what they were.
    pub(super) fn is_still_known(&self, remote: &Remote, standing: &Standing) -> bool {
        (standing.changes == self.generations.changes() || planted(Bug::KnownForEver))
            && standing.runs == remote.runs()
            && is_recent(standing.asked, self.nonce_age(remote))
            && self.pending.is_empty()
    }

    /// The same of some generations, whichever they are.
    pub(super) fn standing_of_these(
        &self,
        remote: &Remote,
        generations: &[Arc<Generation>],
    ) -> Option<Arc<[Snapshot]>> {
        self.look(remote, generations).map(|(snapshots, _)| snapshots)
    }

    /// How generations stand whose nonces are known, and when the first of these was asked for.
    fn look(&self, remote: &Remote, generations: &[Arc<Generation>]) -> Option<(Arc<[Snapshot]>, u64)> {
        let (age, runs) = (self.nonce_age(remote), remote.runs());
        let mut first = u64::MAX;
        let standing: Arc<[Snapshot]> = generations
            .iter()
            .map(|generation| {
                let (snapshot, asked) = generation.snapshot_of(age, runs);
                first = first.min(asked);
                snapshot
            })
            .collect();
        let is_known = |snapshot: &Snapshot| {
            snapshot.nonce.is_some() && !self.pending.covers_generation(&snapshot.generation.name)
        };
        standing.iter().all(is_known).then_some((standing, first))
    }

    /// How what an entry depends on stands in this process. Whether nonces are known is left open.
    pub(crate) fn standing_here(&self, names: &Dependencies) -> Standing {
        let changes = self.generations.changes();
        let mut last = names.last();
        // A change that is not counted yet is waited for.
        let stands =
            |last: &&Standing| last.changes == changes && last.snapshots.iter().all(Snapshot::stands);
        let believed = |last: &&Standing| planted(Bug::KnownForEver) || stands(last);
        if let Some(last) = last.as_ref().filter(believed) {
            return last.clone();
        }
        let standing = Standing {
            changes,
            ..Standing::of(self.standing(names, true))
        };
        *last = Some(standing.clone());
        standing
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
        let place = self.of_functions.place(site.id());
        let of_site = place.map(|place| place.get_or_init(|| self.own_of(site, namespace)));
        let own = match of_site.filter(|own| is_of_namespace(own, namespace)) {
            Some(own) => Arc::clone(own),
            None => self.own_of_another(site, namespace),
        };
        if tags.is_empty() {
            own
        } else {
            self.with_tags(&own, tags)
        }
    }

    /// Of a function that has entries in another namespace too.
    #[cold]
    fn own_of_another(&self, site: &Site, namespace: &str) -> Names {
        let name = (site.id(), Box::from(namespace));
        let table = self.of_others.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = table.get(&name) {
            return Arc::clone(own);
        }
        drop(table);
        let own = self.own_of(site, namespace);
        let mut table = self.of_others.write().unwrap_or_else(PoisonError::into_inner);
        if table.len() >= MOST_OTHERS {
            table.clear();
        }
        Arc::clone(table.entry(name).or_insert(own))
    }

    fn own_of(&self, site: &Site, namespace: &str) -> Names {
        let function = generation::of_function(site.path, site.template, namespace);
        let own = [
            self.generations.of(&function),
            self.generations.of(&generation::of_namespace(namespace)),
        ];
        Arc::new(own.into_iter().collect())
    }

    fn with_tags(&self, own: &[Arc<Generation>], tags: &[String]) -> Names {
        let tags = tags
            .iter()
            .map(|tag| self.generations.of(&generation::of_tag(tag)));
        Arc::new(own.iter().map(Arc::clone).chain(tags).collect())
    }
}

impl Core {
    /// The shape of the values of a codec, without a lock where these names are asked for no others.
    pub(super) fn shape_for(&self, names: &Dependencies, codec: Codec) -> u64 {
        let of = (codec.of)();
        match names.shape.get() {
            Some((known, shape)) if *known == of => *shape,
            _ => {
                let shape = self.shape_of(codec);
                // Where another type was first, the table is asked each time.
                let _ = names.shape.set((of, shape));
                shape
            }
        }
    }
}

fn is_of_namespace(own: &[Arc<Generation>], namespace: &str) -> bool {
    own.last()
        .is_some_and(|own| generation::is_of_namespace(&own.name, namespace))
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
