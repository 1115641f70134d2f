//! One run for many callers: who loads a key, who waits for it, and what they are told.
//! It knows neither stores nor types. Invariants: a flight that nobody leads is taken over by the next who waits or
//! comes; what is fenced is never stored; nobody waits longer than the lease for a leader that is not polled.

use std::any::Any;
use std::cell::RefCell;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::Notify;

use crate::clock;
use crate::codec::Content;
use crate::generations::{Snapshot, fresh_nonce};
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::sync::{Mutex, MutexGuard, thread_local};

/// What a run came to, for those who waited.
#[derive(Clone)]
pub(crate) enum Outcome {
    /// The function's value, or that of the shared tier.
    Loaded(Content),
    /// An older value, to be served in its place.
    Stale(Content),
    /// The function failed, and its error can be shared.
    Failed(Arc<dyn Any + Send + Sync>),
    /// The function failed with an error that cannot be shared: each who waited runs for itself.
    FailedAlone,
    /// The function panicked, with this message.
    Panicked(Arc<str>),
}

impl Outcome {
    fn is_failure(&self) -> bool {
        matches!(self, Self::Failed(_) | Self::FailedAlone | Self::Panicked(_))
    }
}

/// The load of one key, from its first caller to its result.
pub(crate) struct Flight {
    pub(crate) key: Arc<str>,
    pub(crate) hash: u64,
    /// What the load depends on, as it stood when it began.
    generations: Arc<[Snapshot]>,
    /// The name of its latest run in the shared tier; 0 where there is none.
    token: AtomicU64,
    /// Loads of one store are numbered as they start, so that an older one cannot replace a newer one's result.
    pub(crate) number: u64,
    /// Whether the token may stand in the shared tier.
    claimed: AtomicBool,
    /// Whether it was begun inside of another load of its key, or for its caller alone.
    pub(crate) alone: bool,
    /// Whether later callers may share it. A run that its own function started, or that follows an error that
    /// cannot be shared, stands alone.
    shared: AtomicBool,
    /// Set by an invalidation, under the lock of the shard that the result would be stored in.
    fenced: AtomicBool,
    /// Set when messages of other processes may have been missed: memory does not take the result, Redis does.
    muted: AtomicBool,
    /// When the leader was polled last.
    polled: AtomicU64,
    inner: Mutex<Inner>,
    changed: Notify,
    /// For a leader who waits for another process.
    called: Notify,
}

struct Inner {
    state: State,
    waiting: usize,
    /// What those who come are served while the load goes on, and until when.
    offered: Option<(Content, u64)>,
}

enum State {
    Led { by: u64 },
    Abandoned,
    Done(Outcome),
}

/// What one who comes to a flight is to do.
pub(crate) enum Joined {
    Lead(Lead),
    Wait(Waiter),
}

/// What a new load is known by and depends on.
#[derive(Default)]
pub(crate) struct Terms<'a> {
    /// Nothing for a load that depends on nothing.
    pub(crate) generations: Option<&'a Arc<[Snapshot]>>,
    pub(crate) token: u64,
}

impl Flight {
    /// A new flight with its first leader.
    pub(crate) fn start(key: Arc<str>, hash: u64, number: u64, shared: bool, terms: &Terms<'_>) -> Lead {
        let flight = Arc::new(Self {
            key,
            hash,
            generations: terms.generations.map(Arc::clone).unwrap_or_default(),
            token: AtomicU64::new(terms.token),
            number,
            claimed: AtomicBool::new(false),
            alone: !shared,
            shared: AtomicBool::new(shared),
            fenced: AtomicBool::new(false),
            muted: AtomicBool::new(false),
            polled: AtomicU64::new(clock::now()),
            inner: Mutex::new(Inner {
                state: State::Led { by: 0 },
                waiting: 0,
                offered: None,
            }),
            changed: Notify::new(),
            called: Notify::new(),
        });
        Lead {
            flight,
            token: terms.token,
            term: 0,
            over: false,
            spoke: false,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Joins as a waiter, or as the leader when there is none.
    pub(crate) fn join(self: &Arc<Self>) -> Joined {
        let mut inner = self.lock();
        if matches!(inner.state, State::Abandoned) {
            return Joined::Lead(self.take(&mut inner, self.token()));
        }
        inner.waiting += 1;
        drop(inner);
        Joined::Wait(Waiter {
            flight: Arc::clone(self),
        })
    }

    fn take(self: &Arc<Self>, inner: &mut Inner, token: u64) -> Lead {
        static TERMS: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
        let term = TERMS.fetch_add(1, Ordering::Relaxed);
        inner.state = State::Led { by: term };
        self.polled.store(clock::now(), Ordering::Relaxed);
        self.token.store(token, Ordering::SeqCst);
        Lead {
            flight: Arc::clone(self),
            token,
            term,
            over: false,
            spoke: false,
        }
    }

    /// Keeps the result out of every store. The caller holds the lock of the key's shard.
    pub(crate) fn fence(&self) {
        self.fenced.store(true, Ordering::SeqCst);
    }

    #[cfg(test)]
    pub(crate) fn unfence(&self) {
        self.fenced.store(false, Ordering::SeqCst);
    }

    /// Keeps the result out of memory. The caller holds the lock of the key's shard.
    #[cfg(feature = "redis")]
    pub(crate) fn mute(&self) {
        self.muted.store(true, Ordering::SeqCst);
    }

    /// Whether memory may take the result. The caller holds the lock of the key's shard.
    pub(crate) fn may_be_held(&self) -> bool {
        !self.is_fenced() && !self.muted.load(Ordering::SeqCst)
    }

    /// Whether a caller who comes may join: not after an invalidation of what the load depends on.
    pub(crate) fn is_shared(&self) -> bool {
        self.shared.load(Ordering::SeqCst) && self.generations.iter().all(Snapshot::stands)
    }

    /// Serves those who wait and those who come before `until` with an older value, while the load goes on.
    pub(crate) fn offer(&self, content: Content, until: u64) {
        self.lock().offered = Some((content, until));
        self.changed.notify_waiters();
    }

    /// What it came to, if it is over.
    pub(crate) fn outcome(&self) -> Option<Outcome> {
        match &self.lock().state {
            State::Done(outcome) => Some(outcome.clone()),
            State::Led { .. } | State::Abandoned => None,
        }
    }

    /// Whether somebody leads it who was polled less than so long ago.
    pub(crate) fn is_under_way(&self, lease: Duration) -> bool {
        let silent = clock::now().saturating_sub(self.polled.load(Ordering::Relaxed));
        u128::from(silent) < lease.as_millis() && matches!(self.lock().state, State::Led { .. })
    }

    /// Waits for a while, until something is heard about the key, or until the shared tier is `gone`.
    pub(crate) async fn until_called(&self, most: Duration, gone: impl Future<Output = ()>) {
        let (mut called, mut gone) = (pin!(self.called.notified()), pin!(gone));
        called.as_mut().enable();
        let either = poll_fn(|context| {
            if called.as_mut().poll(context).is_ready() || gone.as_mut().poll(context).is_ready() {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        });
        let _ = tokio::time::timeout(most, either).await;
    }

    /// Something was heard about the key.
    pub(crate) fn call(&self) {
        self.called.notify_waiters();
    }

    /// The name of its latest run in the shared tier; 0 where there is none.
    pub(crate) fn token(&self) -> u64 {
        self.token.load(Ordering::SeqCst)
    }

    /// The token may stand in the shared tier from now on, or does not any more.
    pub(crate) fn set_claimed(&self, claimed: bool) {
        self.claimed.store(claimed, Ordering::SeqCst);
    }

    /// Whether the token may stand in the shared tier. Of all who ask, one is told so.
    #[cfg(feature = "redis")]
    pub(crate) fn is_claimed(&self) -> bool {
        self.claimed.load(Ordering::SeqCst)
    }

    pub(crate) fn take_claimed(&self) -> bool {
        self.claimed.swap(false, Ordering::SeqCst)
    }

    /// A sign of life of the leader.
    pub(crate) fn is_polled(&self) {
        self.polled.store(clock::now(), Ordering::Relaxed);
    }

    /// Lets nobody else join. The caller holds the lock of the key's shard.
    pub(crate) fn close(&self) {
        self.shared.store(false, Ordering::SeqCst);
    }

    pub(crate) fn is_fenced(&self) -> bool {
        self.fenced.load(Ordering::SeqCst)
    }

    /// Whether nobody leads it and nobody waits for it. One that is over is landed by its leader, who may still have to
    /// store the result. The caller holds the lock of the key's shard.
    pub(crate) fn is_idle(&self) -> bool {
        let inner = self.lock();
        matches!(inner.state, State::Abandoned) && inner.waiting == 0
    }

    /// Whether the load of this flight is what the current poll runs inside of.
    pub(crate) fn is_ours(self: &Arc<Self>) -> bool {
        let address = Arc::as_ptr(self) as usize;
        RUNNING.with(|running| running.borrow().contains(&address))
    }
}

thread_local! {
    /// The flights whose functions are being polled on this thread, outermost first.
    static RUNNING: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

/// One poll of a function, and how many were around it.
struct Running {
    before: usize,
}

impl Running {
    fn enter(leads: &[&mut Lead]) -> Self {
        RUNNING.with(|running| {
            let mut running = running.borrow_mut();
            let before = running.len();
            running.extend(leads.iter().map(|lead| Arc::as_ptr(&lead.flight) as usize));
            Self { before }
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        RUNNING.with(|running| running.borrow_mut().truncate(self.before));
    }
}

/// The right and the duty to bring a flight to its end. Dropped before that, it hands over.
pub(crate) struct Lead {
    flight: Arc<Flight>,
    /// The name of this run in the shared tier; 0 where there is none.
    token: u64,
    term: u64,
    over: bool,
    /// Whether the flight ended with what this leader said.
    spoke: bool,
}

impl Lead {
    pub(crate) fn flight(&self) -> &Arc<Flight> {
        &self.flight
    }

    /// The name of this run in the shared tier; 0 where there is none.
    pub(crate) fn token(&self) -> u64 {
        self.token
    }

    /// Polls the function of this caller, which loads the keys of all these leads. A panic in it is passed on to those who wait,
    /// and then to the caller.
    pub(crate) fn poll(
        leads: &mut [&mut Self],
        context: &mut Context<'_>,
        poll: &mut dyn FnMut(&mut Context<'_>) -> Poll<()>,
    ) -> Poll<()> {
        for lead in &*leads {
            lead.flight.is_polled();
        }
        let running = Running::enter(leads);
        let polled = catch_unwind(AssertUnwindSafe(|| poll(context)));
        drop(running);
        polled.unwrap_or_else(|panic| {
            let message = message_of(panic.as_ref());
            for lead in leads {
                lead.end(Outcome::Panicked(Arc::clone(&message)));
            }
            resume_unwind(panic)
        })
    }

    /// Whether the flight is still under way. One who led, was thought dead and comes back first speaks for all.
    pub(crate) fn is_open(&self) -> bool {
        !matches!(self.flight.lock().state, State::Done(_))
    }

    /// Whether the flight ended with what this leader said; then it is his to forget.
    pub(crate) fn spoke(&self) -> bool {
        self.spoke
    }

    /// Tells those who wait, unless somebody else has.
    pub(crate) fn end(&mut self, outcome: Outcome) {
        self.over = true;
        let mut inner = self.flight.lock();
        // The failure of one who was replaced is not the last word: another one is at it.
        let replaced = !matches!(inner.state, State::Led { by } if by == self.term);
        if matches!(inner.state, State::Done(_)) || (replaced && outcome.is_failure()) {
            return;
        }
        inner.state = State::Done(outcome);
        self.spoke = true;
        drop(inner);
        self.flight.changed.notify_waiters();
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        let mut inner = self.flight.lock();
        if matches!(inner.state, State::Led { by } if by == self.term) {
            inner.state = State::Abandoned;
            drop(inner);
            self.flight.changed.notify_waiters();
        }
    }
}

/// One who waits for a flight.
pub(crate) struct Waiter {
    flight: Arc<Flight>,
}

impl Waiter {
    pub(crate) fn flight(&self) -> &Arc<Flight> {
        &self.flight
    }

    /// Waits for the outcome, or for the lead, whichever comes first.
    ///
    /// What is offered meanwhile is for those who take older values.
    pub(crate) async fn wait(&self, lease: Duration, takes_older: bool) -> Result<Outcome, Lead> {
        let lease = u64::try_from(lease.as_millis()).unwrap_or(u64::MAX);
        loop {
            let mut changed = pin!(self.flight.changed.notified());
            changed.as_mut().enable();
            let left = {
                let mut inner = self.flight.lock();
                if let (Some((content, until)), State::Led { .. }) = (&inner.offered, &inner.state)
                    && takes_older
                    && clock::now() < *until
                {
                    return Ok(Outcome::Stale(content.clone()));
                }
                match &inner.state {
                    State::Done(outcome) => return Ok(outcome.clone()),
                    State::Abandoned => {
                        let token = self.flight.token();
                        return Err(self.flight.take(&mut inner, token));
                    }
                    State::Led { .. } => {
                        let silent = clock::now().saturating_sub(self.flight.polled.load(Ordering::Relaxed));
                        if silent >= lease {
                            // The silent one may come back, with what it has loaded before an invalidation that this
                            // one's claim comes after.
                            let token = if self.flight.token() == 0 {
                                0
                            } else {
                                fresh_nonce()
                            };
                            return Err(self.flight.take(&mut inner, token));
                        }
                        lease - silent
                    }
                }
            };
            // Without a tokio runtime there is no timer; what is waited for still comes.
            if tokio::runtime::Handle::try_current().is_ok() {
                let _ = tokio::time::timeout(Duration::from_millis(left), changed).await;
            } else {
                changed.await;
            }
        }
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.flight.lock().waiting -= 1;
    }
}

/// The text of a panic, for those who share it.
fn message_of(panic: &(dyn Any + Send)) -> Arc<str> {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("the load that this call waited for panicked");
    Arc::from(text)
}

/// Panics as the run that was waited for did, without a second report of it.
pub(crate) fn panic_again(message: &str) -> ! {
    resume_unwind(Box::new(message.to_owned()))
}
