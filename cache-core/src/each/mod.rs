//! A call that asks for many elements, each under its own key: hits on the spot, and the body for the others. What is not
//! typed in it is in `engine::load::many`. Invariant: an element is given to one body at a time, and to this call's body only
//! while this call leads its load.

mod loading;

use std::collections::HashSet;
use std::hash::Hash;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use crate::CacheManager;
use crate::bound::Batch;
use crate::engine::call::{Mode, Render, by_arguments, by_text, give};
use crate::engine::load::many::begin_all;
use crate::engine::load::{Ticket, Verdict};
use crate::engine::shape::{Coded, Shape, Share};
use crate::engine::site::Site;
use crate::engine::{Core, current, forced};
use crate::key::KeyWriter;
use loading::{Loading, Member};

/// A call of a function with `each`. `S` is the shape of what a call for one element would return.
pub struct Each<S, C, H> {
    site: &'static Site,
    core: Arc<Core>,
    mode: Mode,
    #[expect(clippy::type_complexity, reason = "types alone")]
    types: PhantomData<(fn() -> S, fn() -> C, fn() -> H)>,
}

impl<S, C, H> std::fmt::Debug for Each<S, C, H> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Each").field(&self.site.path).finish()
    }
}

/// What the attribute says about one element.
#[derive(Debug, Default)]
pub struct Said {
    ttl: Option<Duration>,
    tags: Vec<String>,
}

impl Said {
    /// The TTL that an expression of the attribute gave.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// A name that the entry can be invalidated by.
    #[must_use]
    pub fn tag(mut self, render: impl FnOnce(&mut KeyWriter)) -> Self {
        let mut writer = KeyWriter::new();
        render(&mut writer);
        self.tags.push(writer.into_pattern());
        self
    }
}

/// An element, looked up.
enum Found<R> {
    Hit(R),
    Missing(Box<Ticket>),
    /// It has no key.
    Unknown,
}

impl<S: Shape, C: Coded, H: Share<S::Ret>> Each<S, C, H> {
    /// A call in this manager or the current one.
    pub(crate) fn new(site: &'static Site, manager: Option<&CacheManager>, mode: Mode) -> Self {
        Self {
            site,
            core: current::with(manager.map(|manager| &manager.core), |core, _| Arc::clone(core)),
            mode: forced::take(site, mode),
            types: PhantomData,
        }
    }

    /// The values of these elements: what is fresh, and what the body gives for the others. `key` and `said` are asked at once.
    pub fn load<K, R, B, F, V, W, D>(
        self,
        elements: &[K],
        key: W,
        said: D,
        body: B,
        verdict: V,
    ) -> Loading<K, R, R::Map, B, F, V, S, S::Ret, H>
    where
        K: Clone + Eq + Hash,
        R: Batch<K, Element = S::Ret>,
        B: Fn(Vec<K>) -> F,
        F: Future<Output = R>,
        V: Fn(&S::Value) -> Verdict,
        W: Fn(&K, &mut KeyWriter),
        D: Fn(&K, Said) -> Said,
    {
        let passes_by = !self.core.is_on() || self.mode == Mode::Bypass;
        let room = if passes_by { 0 } else { elements.len() };
        let passing_by = passes_by.then(|| Box::pin(body(elements.to_vec())));
        let mut call = Loading::new(&self.core, passing_by, body, verdict, room);
        if !passes_by {
            self.look_up(&mut call, elements, &key, &said);
        }
        call
    }

    #[expect(
        clippy::type_complexity,
        reason = "what a call is generic over is named once more"
    )]
    fn look_up<K, R, B, F, V>(
        &self,
        call: &mut Loading<K, R, R::Map, B, F, V, S, S::Ret, H>,
        elements: &[K],
        key: &impl Fn(&K, &mut KeyWriter),
        said: &impl Fn(&K, Said) -> Said,
    ) where
        K: Clone + Eq + Hash,
        R: Batch<K, Element = S::Ret>,
    {
        let mut others: HashSet<&K> = HashSet::new();
        let mut missing = Vec::new();
        for element in elements {
            if R::has(&call.found, element) || others.contains(element) {
                continue;
            }
            match self.find(&|writer: &mut KeyWriter| key(element, writer)) {
                Found::Hit(value) => {
                    // What is stored is no error.
                    let _ = R::fill(&mut call.found, element.clone(), value);
                    if !R::has(&call.found, element) {
                        others.insert(element);
                    }
                    continue;
                }
                Found::Missing(mut ticket) => {
                    let said = said(element, Said::default());
                    ticket.ttl = said.ttl;
                    ticket.tags = said.tags;
                    missing.push((call.keys.len(), ticket));
                }
                Found::Unknown => call.to_run.push(Member::not_stored(call.keys.len())),
            }
            others.insert(element);
            call.keys.push(element.clone());
        }
        if !missing.is_empty() {
            call.next = begin_all(&self.core, missing);
        }
    }

    fn find(&self, render: &dyn Render) -> Found<S::Ret> {
        let mut arguments = KeyWriter::arguments();
        arguments.function(self.site);
        render.render(&mut arguments);
        let (site, core) = (self.site, Some(&self.core));
        if let Some(value) = by_arguments(site, core, self.mode, &arguments)
            && let Ok(value) = value.downcast::<S::Stored>()
        {
            return Found::Hit(S::give(value));
        }
        match by_text(site, C::codec, core, self.mode, &arguments, render) {
            (_, Some(content)) => give::<S>(content, C::codec()).map_or(Found::Unknown, Found::Hit),
            (Some(ticket), None) => Found::Missing(ticket),
            (None, None) => Found::Unknown,
        }
    }
}
