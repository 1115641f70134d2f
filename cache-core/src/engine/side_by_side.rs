//! Futures that go on side by side in one task, each polled only when it was woken: what a call with many elements waits for.
//! It knows nothing of what they do. Invariant: a future that was woken is polled, however many there are.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

type Work<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A number of futures of which each gives a `T`.
pub(crate) struct SideBySide<T> {
    going_on: Vec<(Arc<Woken>, Work<T>)>,
    task: Arc<Task>,
}

/// The task in which they are polled.
#[derive(Default)]
struct Task(Mutex<Option<Waker>>);

/// Whether one of them is to be polled.
struct Woken {
    flag: AtomicBool,
    task: Arc<Task>,
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.flag.store(true, Ordering::SeqCst);
        let waker = self.task.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> Default for SideBySide<T> {
    fn default() -> Self {
        Self {
            going_on: Vec::new(),
            task: Arc::default(),
        }
    }
}

impl<T> SideBySide<T> {
    /// One more.
    pub(crate) fn push(&mut self, work: impl Future<Output = T> + Send + 'static) {
        let woken = Woken {
            flag: AtomicBool::new(true),
            task: Arc::clone(&self.task),
        };
        self.going_on.push((Arc::new(woken), Box::pin(work)));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.going_on.is_empty()
    }

    /// Polls those that were woken, and gives what has ended.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Vec<T> {
        let mut ended = Vec::new();
        if self.going_on.is_empty() {
            return ended;
        }
        {
            let mut task = self.task.0.lock().unwrap_or_else(PoisonError::into_inner);
            if !task
                .as_ref()
                .is_some_and(|known| known.will_wake(context.waker()))
            {
                *task = Some(context.waker().clone());
            }
        }
        self.going_on.retain_mut(|(woken, work)| {
            if !woken.flag.swap(false, Ordering::SeqCst) {
                return true;
            }
            let waker = Waker::from(Arc::clone(woken));
            match work.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(value) => {
                    ended.push(value);
                    false
                }
                Poll::Pending => true,
            }
        });
        ended
    }
}

/// Waits for all of them. What they give comes in their order.
pub(crate) async fn all<T>(
    works: impl IntoIterator<Item = impl Future<Output = T> + Send + 'static>,
) -> Vec<T> {
    let mut side_by_side = SideBySide::default();
    let mut ended = Vec::new();
    for (index, work) in works.into_iter().enumerate() {
        side_by_side.push(async move { (index, work.await) });
    }
    std::future::poll_fn(|context| {
        ended.extend(side_by_side.poll(context));
        if side_by_side.is_empty() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    ended.sort_unstable_by_key(|(index, _)| *index);
    ended.into_iter().map(|(_, value)| value).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::all;

    #[tokio::test(start_paused = true)]
    async fn what_many_give_comes_in_their_order_and_takes_as_long_as_the_slowest() {
        let began = tokio::time::Instant::now();
        let given = all((0..100_u64).map(|index| async move {
            tokio::time::sleep(Duration::from_millis(100 - index)).await;
            index
        }))
        .await;
        assert_eq!(given, (0..100).collect::<Vec<_>>());
        assert_eq!(began.elapsed(), Duration::from_millis(100));
    }

    #[tokio::test(start_paused = true)]
    async fn only_those_that_were_woken_are_polled() {
        let polls = Arc::new(AtomicUsize::new(0));
        all((1..=50_u64).map(|index| {
            let polls = Arc::clone(&polls);
            let mut sleep = Box::pin(tokio::time::sleep(Duration::from_millis(index)));
            std::future::poll_fn(move |context| {
                polls.fetch_add(1, Ordering::Relaxed);
                sleep.as_mut().poll(context)
            })
        }))
        .await;
        assert_eq!(polls.load(Ordering::Relaxed), 100);
    }
}
