//! Many tasks that call at once, and what came of it by a deadline.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Tasks that have called. They end with this.
pub struct Callers<T> {
    tasks: JoinSet<T>,
    polled: Arc<Semaphore>,
}

impl<T: Send + 'static> Callers<T> {
    /// Calls from so many tasks.
    pub fn start<F, R>(count: usize, call: F) -> Self
    where
        F: Fn() -> R,
        R: Future<Output = T> + Send + 'static,
    {
        let polled = Arc::new(Semaphore::new(0));
        let task = |polled: Arc<Semaphore>, called: R| async move {
            let mut called = pin!(called);
            let first = poll_fn(|context| Poll::Ready(called.as_mut().poll(context))).await;
            polled.add_permits(1);
            match first {
                Poll::Ready(value) => value,
                Poll::Pending => called.await,
            }
        };
        let tasks = (0..count).map(|_| task(Arc::clone(&polled), call())).collect();
        Self { tasks, polled }
    }

    /// Waits until every call has begun and, unless it has ended, waits for something.
    pub async fn begun(&self) {
        let all = u32::try_from(self.tasks.len()).expect("not that many");
        let _permits = self.polled.acquire_many(all).await.expect("never closed");
    }

    /// What comes of them until `deadline` after `start`.
    pub async fn answers(mut self, start: Instant, deadline: Duration) -> Answers<T> {
        let (callers, end) = (self.tasks.len(), start + deadline);
        let mut answers = Answers {
            callers,
            deadline,
            values: Vec::new(),
            last: Duration::ZERO,
        };
        while let Ok(Some(ended)) = tokio::time::timeout_at(end.into(), self.tasks.join_next()).await {
            answers.values.push(ended.expect("no caller panics"));
            answers.last = start.elapsed();
        }
        answers
    }
}

/// What came of so many callers. Shown, it says how many had an answer, and when the last of them had.
pub struct Answers<T> {
    pub callers: usize,
    pub values: Vec<T>,
    pub last: Duration,
    pub deadline: Duration,
}

impl<T> fmt::Display for Answers<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (answered, callers) = (self.values.len(), self.callers);
        if answered < callers {
            write!(f, "hangs (> {} s): ", self.deadline.as_secs())?;
        }
        write!(f, "{answered} of {callers}")?;
        if answered > 0 {
            write!(f, " in {} ms", self.last.as_millis())?;
        }
        Ok(())
    }
}
