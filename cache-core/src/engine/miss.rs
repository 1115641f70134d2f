//! A call that was no hit: it begins a load or joins one, runs its function, and has the result stored, as far as its caller
//! waits for that. It decides how types and time bear on a call; the rest is in `load`. Invariants: what does not have to wait is
//! done without a future of its own; what is left to others in vain ends as a plain run of the function.

use std::any::Any;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::Instant;

use super::call::{give, loaded};
use super::load::{Begun, Loaded, Run, Stale, Ticket, Verdict};
use super::patience::{Due, Patience};
use super::shape::{Seen, Shape, Share};
use super::{current, watch};
use crate::SharedError;
use crate::codec::{Codec, Content};
use crate::key::KeyWriter;

/// A call that has to run its function, or to wait for one that does. It knows what the function returns, and nothing else
/// of its types. It is behind a pointer, so that the future of a hit has no room for it.
pub struct Miss<R>(Box<Missed<R>>);

struct Missed<R> {
    call: Call,
    ways: fn() -> Ways<R>,
    /// Made when it begins.
    patience: Option<Box<Patience>>,
    /// What this call's own run gave, while it is being stored.
    ret: Option<R>,
    /// What the caller gets at once, while the rest goes on in the background.
    served: Option<R>,
    /// What a caller gets whose time is up.
    timed_out: Option<fn(SharedError) -> R>,
}

impl<R> std::fmt::Debug for Miss<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Miss")
    }
}

/// What a load came to, given its result and what is asked of that before it is stored.
type Judged<R> = fn(&R, &dyn Fn(&R) -> Verdict) -> Loaded;

/// What is done with a result according to its shape, and to how its errors are shared.
struct Ways<R> {
    give: fn(Content, Option<Codec>) -> Option<R>,
    loaded: Judged<R>,
    failed: fn(&R) -> bool,
    export: fn(&R) -> Option<Arc<dyn Any + Send + Sync>>,
    import: fn(&(dyn Any + Send + Sync)) -> Option<R>,
}

impl<R> Ways<R> {
    const fn of<S: Shape<Ret = R>, H: Share<R>>() -> Self {
        Self {
            give: give::<S>,
            loaded: |ret, verdict| loaded::<S, H>(ret, &|_| verdict(ret)),
            failed: |ret| matches!(S::see(ret), Seen::Failed),
            export: H::export,
            import: H::import,
        }
    }
}

/// How a step of a call ended.
enum Step<R> {
    /// With its result.
    Done(R),
    /// With a result for the caller, while the call goes on.
    Early(R),
    /// With nothing left to do in the background.
    Over,
}

impl<R> Miss<R> {
    pub(crate) fn of<S: Shape<Ret = R>, H: Share<R>>(ticket: Option<Box<Ticket>>) -> Self {
        Self(Box::new(Missed {
            call: ticket.map_or(Call::Bypass, Call::Start),
            ways: Ways::of::<S, H>,
            patience: None,
            ret: None,
            served: None,
            timed_out: None,
        }))
    }

    /// With what the caller gets at once.
    pub(super) fn served(mut self, ret: R) -> Self {
        self.0.served = Some(ret);
        self
    }

    /// The TTL that an expression of the attribute gave.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        if let Call::Start(ticket) = &mut self.0.call {
            ticket.ttl = Some(ttl);
        }
        self
    }

    /// A name that the entry can be invalidated by.
    pub fn tag(mut self, render: impl FnOnce(&mut KeyWriter)) -> Self {
        if let Call::Start(ticket) = &mut self.0.call {
            let mut writer = KeyWriter::new();
            render(&mut writer);
            ticket.tags.push(writer.into_pattern());
        }
        self
    }

    /// The result of a call that the bound on all callers' time was too short for.
    pub fn hard_timeout(mut self, timed_out: fn(SharedError) -> R) -> Self {
        self.0.timed_out = Some(timed_out);
        self
    }

    /// As [`Load`](crate::load::Load), of a function that may go on after its caller has its value.
    pub async fn load_in_background<F, V>(mut self, mut load: Pin<Box<F>>, verdict: V) -> R
    where
        R: Send + 'static,
        F: Future<Output = R> + Send + ?Sized + 'static,
        V: Fn(&R) -> Verdict + Send + 'static,
    {
        if let Some(ret) = self.0.served.take() {
            current::spawn(self.go_on(load, Box::new(verdict)));
            return ret;
        }
        let (ret, goes_on) = std::future::poll_fn(|context| {
            loop {
                match self.poll(context, &mut |context| load.as_mut().poll(context), &verdict) {
                    Poll::Ready(Step::Done(ret)) => return Poll::Ready((ret, false)),
                    Poll::Ready(Step::Early(ret)) => return Poll::Ready((ret, true)),
                    Poll::Ready(Step::Over) => self.0.call = Call::Bypass,
                    Poll::Pending => return Poll::Pending,
                }
            }
        })
        .await;
        if goes_on {
            current::spawn(self.go_on(load, Box::new(verdict)));
        }
        ret
    }

    /// What is left of a call whose caller has been served.
    async fn go_on<F>(mut self, mut load: Pin<Box<F>>, verdict: Judge<R>)
    where
        F: Future<Output = R> + Send + ?Sized,
    {
        std::future::poll_fn(move |context| {
            loop {
                match self.poll(context, &mut |context| load.as_mut().poll(context), &*verdict) {
                    // It is found once more that there is something to serve meanwhile.
                    Poll::Ready(Step::Early(_)) => {}
                    Poll::Ready(Step::Done(_) | Step::Over) => return Poll::Ready(()),
                    Poll::Pending => return Poll::Pending,
                }
            }
        })
        .await;
    }

    /// Goes on until there is a result, and nothing is left to others.
    pub(crate) fn run(
        &mut self,
        context: &mut Context<'_>,
        mut load: Pin<&mut dyn Future<Output = R>>,
        verdict: &dyn Fn(&R) -> Verdict,
    ) -> Poll<R> {
        loop {
            match ready!(self.poll(context, &mut |context| load.as_mut().poll(context), verdict)) {
                Step::Done(ret) | Step::Early(ret) => return Poll::Ready(ret),
                // It was left to others in vain.
                Step::Over => self.0.call = Call::Bypass,
            }
        }
    }

    /// One step. The function is polled through a pointer, so that this is compiled once for a type and not for each
    /// function.
    fn poll(
        &mut self,
        context: &mut Context<'_>,
        load: &mut dyn FnMut(&mut Context<'_>) -> Poll<R>,
        verdict: &dyn Fn(&R) -> Verdict,
    ) -> Poll<Step<R>> {
        loop {
            let step = match &mut self.0.call {
                Call::Bypass => return load(context).map(Step::Done),
                Call::Start(_) => {
                    if let Call::Start(mut ticket) = std::mem::replace(&mut self.0.call, Call::Bypass) {
                        Patience::start(&mut self.0.patience, &mut ticket);
                        self.begin(ticket)
                    } else {
                        None
                    }
                }
                Call::Begin(begin) => match begin.as_mut().poll(context) {
                    Poll::Ready((ticket, next)) => self.begun(ticket, next),
                    Poll::Pending => ready!(self.wait_to_begin(context)),
                },
                Call::Run(running) => {
                    let mut output = None;
                    let Running { run, span, .. } = running;
                    let inside = span.enter();
                    let polled = run.poll(context, &mut |context| match load(context) {
                        Poll::Ready(ret) => {
                            output = Some(ret);
                            Poll::Ready(())
                        }
                        Poll::Pending => Poll::Pending,
                    });
                    drop(inside);
                    if let (Poll::Ready(()), Some(ret)) = (polled, output) {
                        run.judged = true;
                        let loaded = ((self.0.ways)().loaded)(&ret, verdict);
                        run.judged = false;
                        self.finish(ret, loaded)
                    } else {
                        ready!(self.wait_for_run(context))
                    }
                }
                Call::Finish(finish) => match finish.as_mut().poll(context) {
                    Poll::Ready(stale) => {
                        self.0.call = Call::Bypass;
                        self.finished(stale)
                    }
                    Poll::Pending => ready!(self.wait_to_finish(context)),
                },
            };
            if let Some(step) = step {
                return Poll::Ready(step);
            }
        }
    }

    /// Finds out how the call goes on: at once, if nobody has to be asked.
    fn begin(&mut self, mut ticket: Box<Ticket>) -> Option<Step<R>> {
        match ticket.begin_at_once() {
            Ok(begun) => self.begun(ticket, begun),
            Err(rest) => {
                self.0.call = Call::Begin(Box::pin(async move {
                    let begun = ticket.go_on(rest).await;
                    (ticket, begun)
                }));
                None
            }
        }
    }

    /// It is known how the call goes on.
    fn begun(&mut self, mut ticket: Box<Ticket>, next: Begun) -> Option<Step<R>> {
        let run = match next {
            Begun::Run(run) => run,
            Begun::Content(held) => match ((self.0.ways)().give)(held, ticket.codec) {
                Some(ret) => return Some(Step::Done(ret)),
                // What another function stored under this key is of no use here.
                None => ticket.alone(),
            },
            Begun::Early(held) => {
                if let Some(ret) = ((self.0.ways)().give)(held, ticket.codec) {
                    self.0.call = Call::Start(ticket);
                    return Some(Step::Early(ret));
                }
                ticket.lead = None;
                ticket.background = false;
                ticket.alone()
            }
            Begun::Failed(shared) => match ((self.0.ways)().import)(shared.as_ref()) {
                Some(ret) => return Some(Step::Done(ret)),
                None => ticket.alone(),
            },
            Begun::Nothing => return Some(Step::Over),
        };
        self.0.call = Call::Run(Running {
            span: watch::run(ticket.site, ticket.background),
            ticket,
            run,
            started: Instant::now(),
        });
        None
    }

    /// The function has ended, or its time has.
    fn finish(&mut self, ret: R, loaded: Loaded) -> Option<Step<R>> {
        self.0.ret = Some(ret);
        let Call::Run(running) = std::mem::replace(&mut self.0.call, Call::Bypass) else {
            return self.finished(None);
        };
        let Running {
            ticket,
            mut run,
            started,
            span,
        } = running;
        drop(span);
        match ticket.finish_at_once(&mut run, loaded, started) {
            Ok(stale) => {
                drop(run);
                self.finished(stale)
            }
            Err(left) => {
                self.0.call = Call::Finish(Box::pin(ticket.finish_later(run, left)));
                None
            }
        }
    }

    /// The result is settled.
    fn finished(&mut self, stale: Stale) -> Option<Step<R>> {
        let stale = stale.and_then(|(content, codec)| ((self.0.ways)().give)(content, codec));
        stale.or(self.0.ret.take()).map(Step::Done)
    }

    /// What it is time for while the cache is at work, which is bounded by itself.
    fn due(&mut self, context: &mut Context<'_>) -> Due {
        self.0
            .patience
            .as_mut()
            .map_or(Due::Nothing, |patience| patience.wait(context, None))
    }

    /// An older value of memory, for a caller who does not wait any longer.
    fn stale(&self, failed: bool) -> Option<R> {
        let (content, codec) = self.0.patience.as_ref()?.stale(failed)?;
        ((self.0.ways)().give)(content, codec)
    }

    fn wait_to_begin(&mut self, context: &mut Context<'_>) -> Poll<Option<Step<R>>> {
        match self.due(context) {
            Due::Nothing => Poll::Pending,
            Due::Sign => Poll::Ready(None),
            Due::Soft => Poll::Ready(self.stale(false).map(Step::Early)),
            Due::Hard => match self.stale(true).or_else(|| self.too_late()) {
                Some(ret) => {
                    self.0.call = Call::Bypass;
                    Poll::Ready(Some(Step::Done(ret)))
                }
                None => Poll::Ready(None),
            },
        }
    }

    fn wait_for_run(&mut self, context: &mut Context<'_>) -> Poll<Option<Step<R>>> {
        let Call::Run(running) = &self.0.call else {
            return Poll::Ready(None);
        };
        let lease = running.ticket.core.config.lease;
        match self.0.patience.get_or_insert_default().wait(context, Some(lease)) {
            Due::Nothing => Poll::Pending,
            Due::Sign => Poll::Ready(None),
            Due::Soft => {
                let Call::Run(running) = &mut self.0.call else {
                    return Poll::Ready(None);
                };
                let codec = running.ticket.codec;
                let stale = running.ticket.stale_for_the_impatient(Some(&running.run));
                let ret = stale.and_then(|older| {
                    running.run.offer(&older);
                    ((self.0.ways)().give)(older.content, codec)
                });
                Poll::Ready(ret.map(Step::Early))
            }
            Due::Hard => {
                let Some(ret) = self.too_late() else {
                    return Poll::Ready(None);
                };
                let failed = Loaded::Failed(((self.0.ways)().export)(&ret));
                Poll::Ready(self.finish(ret, failed))
            }
        }
    }

    fn wait_to_finish(&mut self, context: &mut Context<'_>) -> Poll<Option<Step<R>>> {
        match self.due(context) {
            Due::Nothing => Poll::Pending,
            Due::Sign | Due::Soft => Poll::Ready(None),
            Due::Hard => {
                // A value is handed out, and stored without its caller. An error may still be replaced.
                let failed = (self.0.ways)().failed;
                let ret = self.0.ret.take_if(|ret| !failed(ret));
                if ret.is_some()
                    && let Call::Finish(finish) = std::mem::replace(&mut self.0.call, Call::Bypass)
                {
                    current::spawn(finish);
                }
                Poll::Ready(ret.map(Step::Done))
            }
        }
    }

    fn too_late(&self) -> Option<R> {
        let site = self.0.patience.as_ref()?.site()?;
        let most = Duration::from_millis(site.hard_timeout);
        Some(self.0.timed_out?(SharedError::timed_out(site.path, most)))
    }
}

/// What is asked of a result before it is stored, wherever that happens.
type Judge<R> = Box<dyn Fn(&R) -> Verdict + Send>;

/// Work that is compiled once and waited for by all types.
type Waiting<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Where a miss is.
enum Call {
    /// It passes the cache by.
    Bypass,
    /// It has not begun.
    Start(Box<Ticket>),
    /// It finds out whether it has to run its function.
    Begin(Waiting<(Box<Ticket>, Begun)>),
    /// It runs its function.
    Run(Running),
    /// It stores what the function gave.
    Finish(Waiting<Stale>),
}

struct Running {
    ticket: Box<Ticket>,
    run: Box<Run>,
    started: Instant,
    span: tracing::Span,
}
