//! A call with many elements on its way, as a future: what comes of the loads of its elements, and the runs of its body for
//! those that it leads. It looks nothing up. Invariant: what is ready is acted upon before anything is waited for.

use std::marker::PhantomData;
use std::mem::{replace, take};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::time::Instant;

use crate::bound::Batch;
use crate::engine::Core;
use crate::engine::call::{give, loaded};
use crate::engine::load::Stale;
use crate::engine::load::many::{Next, finish_all};
use crate::engine::load::{Begun, Run, Ticket, Verdict};
use crate::engine::patience::{Due, Patience};
use crate::engine::shape::{Shape, Share};
use crate::engine::side_by_side::SideBySide;

/// What can be done with what a function returns.
// As functions, so that the future of a call does not ask for the trait once more where it is not there.
struct Map<K, R, M, T> {
    with_room: fn(usize) -> M,
    put: fn(&mut M, K, T) -> Result<(), R>,
    take: fn(&mut M, &K) -> T,
    whole: fn(M) -> R,
    open: fn(R) -> Result<M, T>,
}

impl<K, R: Batch<K>> Map<K, R, R::Map, R::Element> {
    fn of() -> Self {
        Self {
            with_room: R::with_room,
            put: R::fill,
            take: R::take,
            whole: R::whole,
            open: R::open,
        }
    }
}

/// A call on its way: the elements that were there at once, and what becomes of the others.
// No type of a field is told by a trait, so that whether this can be sent to another thread can be told of elements that are
// borrowed too.
pub struct Loading<K, R, M, B, F, V, S, T, H> {
    core: Arc<Core>,
    /// The body, when the call passes the cache by.
    passing_by: Option<Pin<Box<F>>>,
    body: B,
    verdict: V,
    map: Map<K, R, M, T>,
    /// The elements that are looked for, by number.
    pub(super) keys: Vec<K>,
    pub(super) found: M,
    /// What the body is to be called with next.
    pub(super) to_run: Vec<Member>,
    /// How the loads of elements go on, before it is acted upon.
    pub(super) next: Vec<Next>,
    /// What waits for the shared tier and for others' loads.
    waiting: SideBySide<Vec<Next>>,
    groups: Vec<Group<F>>,
    finishing: Vec<Finishing<T>>,
    patience: Patience,
    #[expect(clippy::type_complexity, reason = "types alone")]
    types: PhantomData<(fn() -> R, fn() -> S, fn() -> H)>,
}

impl<K, R, M, B, F, V, S, T, H> std::fmt::Debug for Loading<K, R, M, B, F, V, S, T, H> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Loading")
    }
}

impl<K, R: Batch<K>, B, F, V, S, H> Loading<K, R, R::Map, B, F, V, S, R::Element, H> {
    /// With nothing to be looked for yet.
    pub(super) fn new(
        core: &Arc<Core>,
        passing_by: Option<Pin<Box<F>>>,
        body: B,
        verdict: V,
        room: usize,
    ) -> Self {
        Self {
            core: Arc::clone(core),
            passing_by,
            body,
            verdict,
            map: Map::of(),
            keys: Vec::new(),
            found: R::with_room(room),
            to_run: Vec::new(),
            next: Vec::new(),
            waiting: SideBySide::default(),
            groups: Vec::new(),
            finishing: Vec::new(),
            patience: Patience::default(),
            types: PhantomData,
        }
    }
}

/// An element that the body is called with.
pub(super) struct Member {
    index: usize,
    /// Nothing for one that is not to be stored.
    load: Option<(Box<Ticket>, Box<Run>)>,
}

impl Member {
    /// One without a key.
    pub(super) fn not_stored(index: usize) -> Self {
        Self { index, load: None }
    }
}

/// One run of the body.
struct Group<F> {
    members: Vec<Member>,
    body: Pin<Box<F>>,
    started: Instant,
}

/// A run of the body that has ended, whose results are being stored.
struct Finishing<T> {
    /// The elements, first those that the work is about, in its order.
    indices: Vec<usize>,
    work: Pin<Box<dyn Future<Output = Vec<Stale>> + Send>>,
    error: Option<T>,
}

// Nothing in it is pinned but what is in a box of its own.
impl<K, R, M, B, F, V, S, T, H> Unpin for Loading<K, R, M, B, F, V, S, T, H> {}

impl<K, R, M, B, F, V, S, H> Future for Loading<K, R, M, B, F, V, S, S::Ret, H>
where
    K: Clone,
    B: Fn(Vec<K>) -> F,
    F: Future<Output = R>,
    V: Fn(&S::Value) -> Verdict,
    S: Shape,
    H: Share<S::Ret>,
{
    type Output = R;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<R> {
        let this = &mut *self;
        if let Some(body) = &mut this.passing_by {
            return body.as_mut().poll(context);
        }
        let failed = ready!(this.step(context));
        Poll::Ready(failed.unwrap_or_else(|| {
            let found = replace(&mut this.found, (this.map.with_room)(0));
            (this.map.whole)(found)
        }))
    }
}

impl<K, R, M, B, F, V, S, H> Loading<K, R, M, B, F, V, S, S::Ret, H>
where
    K: Clone,
    B: Fn(Vec<K>) -> F,
    F: Future<Output = R>,
    V: Fn(&S::Value) -> Verdict,
    S: Shape,
    H: Share<S::Ret>,
{
    /// One step. Ends with an error, or with nothing when all elements are there.
    fn step(&mut self, context: &mut Context<'_>) -> Poll<Option<R>> {
        loop {
            // What goes on in another way is to be polled before anything is waited for.
            loop {
                let next = take(&mut self.next).into_iter();
                let next: Vec<Next> = next
                    .chain(self.waiting.poll(context).into_iter().flatten())
                    .collect();
                if next.is_empty() {
                    break;
                }
                for next in next {
                    if let Err(error) = self.go_on(next) {
                        return Poll::Ready(Some(error));
                    }
                }
            }
            self.run();
            let ended = self.poll_groups(context);
            if let Err(error) = self.poll_finishing(context) {
                return Poll::Ready(Some(error));
            }
            if self.groups.is_empty() && self.finishing.is_empty() && self.waiting.is_empty() {
                return Poll::Ready(None);
            }
            // While the body runs it is polled often enough for those who wait to see that it is alive.
            let lease = self.core.config.lease;
            let is_due =
                !self.groups.is_empty() && !matches!(self.patience.wait(context, Some(lease)), Due::Nothing);
            if !ended && !is_due {
                return Poll::Pending;
            }
        }
    }

    /// It is known how the load of an element goes on.
    fn go_on(&mut self, next: Next) -> Result<(), R> {
        let (index, ticket, begun) = match next {
            Next::Later(later) => {
                self.waiting.push(later);
                return Ok(());
            }
            Next::Begun(index, ticket, begun) => (index, ticket, begun),
        };
        let value = match begun {
            Begun::Run(run) => {
                self.to_run.push(Member {
                    index,
                    load: Some((ticket, run)),
                });
                return Ok(());
            }
            Begun::Content(content) | Begun::Early(content) => give::<S>(content, ticket.codec),
            Begun::Failed(error) => H::import(error.as_ref()),
            Begun::Nothing => None,
        };
        if let Some(value) = value {
            return self.put(index, value);
        }
        // What another function stored under this key is of no use here, and an error of another type neither.
        let run = ticket.alone();
        self.to_run.push(Member {
            index,
            load: Some((ticket, run)),
        });
        Ok(())
    }

    fn put(&mut self, index: usize, value: S::Ret) -> Result<(), R> {
        match self.keys.get(index) {
            Some(key) => (self.map.put)(&mut self.found, key.clone(), value),
            None => Ok(()),
        }
    }

    /// Calls the body with what is to be loaded, in the order asked.
    fn run(&mut self) {
        if self.to_run.is_empty() {
            return;
        }
        let mut members = take(&mut self.to_run);
        members.sort_unstable_by_key(|member| member.index);
        let elements = members.iter().filter_map(|member| self.keys.get(member.index));
        self.groups.push(Group {
            body: Box::pin((self.body)(elements.cloned().collect())),
            members,
            started: Instant::now(),
        });
    }

    /// Polls the bodies. Tells whether one has ended.
    fn poll_groups(&mut self, context: &mut Context<'_>) -> bool {
        let before = self.groups.len();
        let mut still_running = Vec::with_capacity(before);
        for mut group in take(&mut self.groups) {
            match group.poll(context) {
                Poll::Pending => still_running.push(group),
                Poll::Ready(ret) => {
                    let ended = self.end(group, ret);
                    self.finishing.push(ended);
                }
            }
        }
        self.groups = still_running;
        self.groups.len() < before
    }

    /// What a body gave for its elements.
    fn end(&mut self, group: Group<F>, ret: R) -> Finishing<S::Ret> {
        let Group {
            mut members, started, ..
        } = group;
        let (mut values, error) = match (self.map.open)(ret) {
            Ok(values) => (Some(values), None),
            Err(error) => (None, Some(error)),
        };
        let mut indices = Vec::with_capacity(members.len());
        let mut loads = Vec::with_capacity(members.len());
        let mut not_stored = Vec::new();
        // Should one of the user's closures panic, it is as if the body had.
        judge(&mut members, true);
        let mut outcomes = Vec::with_capacity(members.len());
        for member in &members {
            let taken = self.keys.get(member.index).cloned().zip(values.as_mut());
            let taken = taken.map(|(key, values)| ((self.map.take)(values, &key), key));
            let value = taken.as_ref().map(|(value, _)| value).or(error.as_ref());
            let outcome = value
                .filter(|_| member.load.is_some())
                .map(|value| loaded::<S, H>(value, &self.verdict));
            outcomes.push(outcome);
            if let Some((value, key)) = taken {
                let _ = (self.map.put)(&mut self.found, key, value);
            }
        }
        judge(&mut members, false);
        for (member, outcome) in members.into_iter().zip(outcomes) {
            match (member.load, outcome) {
                (Some((ticket, run)), Some(outcome)) => {
                    indices.push(member.index);
                    loads.push((ticket, run, outcome));
                }
                _ => not_stored.push(member.index),
            }
        }
        indices.extend(not_stored);
        Finishing {
            indices,
            work: Box::pin(finish_all(loads, started)),
            error,
        }
    }

    /// Polls what stores the results. Gives the error of a body for which there is nothing to serve.
    fn poll_finishing(&mut self, context: &mut Context<'_>) -> Result<(), R> {
        let mut still_storing = Vec::new();
        for mut finishing in take(&mut self.finishing) {
            let Poll::Ready(stale) = finishing.work.as_mut().poll(context) else {
                still_storing.push(finishing);
                continue;
            };
            let Some(error) = finishing.error else { continue };
            let mut stale = stale.into_iter();
            for index in finishing.indices {
                let older = stale.next().flatten();
                let older = older.and_then(|(content, codec)| give::<S>(content, codec));
                let Some(older) = older else {
                    return self.put(index, error);
                };
                self.put(index, older)?;
            }
        }
        self.finishing = still_storing;
        Ok(())
    }
}

impl<F: Future> Group<F> {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<F::Output> {
        let Self { members, body, .. } = self;
        let mut runs = members
            .iter_mut()
            .filter_map(|member| member.load.as_mut().map(|(_, run)| &mut **run));
        let mut output = None;
        let polled = Run::poll_together(
            &mut runs,
            context,
            &mut |context| match body.as_mut().poll(context) {
                Poll::Ready(ret) => {
                    output = Some(ret);
                    Poll::Ready(())
                }
                Poll::Pending => Poll::Pending,
            },
        );
        match (polled, output) {
            (Poll::Ready(()), Some(ret)) => Poll::Ready(ret),
            _ => Poll::Pending,
        }
    }
}

fn judge(members: &mut [Member], judged: bool) {
    for (_, run) in members.iter_mut().filter_map(|member| member.load.as_mut()) {
        run.judged = judged;
    }
}
