//! What one call may still spend waiting for the shared tier, however many questions it asks. It asks none itself. Invariant:
//! what is spent once is not given back.

use std::time::Duration;

use crate::clock;

/// What one call may still spend waiting for the shared tier.
#[derive(Debug)]
pub(crate) struct Budget {
    left: Duration,
    background: bool,
}

impl Budget {
    pub(crate) fn new(whole: Duration) -> Self {
        Self {
            left: whole,
            background: false,
        }
    }

    /// For an explicit order that takes as long as there are keys; each reply is waited for within the usual bound.
    pub(crate) fn unlimited() -> Self {
        Self::new(Duration::from_secs(86_400))
    }

    /// For what nobody waits for. It is tried again, so that one attempt need not be waited for long.
    pub(crate) fn background() -> Self {
        Self {
            background: true,
            ..Self::new(Duration::from_secs(2))
        }
    }

    /// What one of several may spend that are done side by side.
    pub(crate) fn part(&self) -> Self {
        Self { ..*self }
    }

    /// Takes off what those took.
    #[cfg(feature = "redis")]
    pub(crate) fn join(&mut self, parts: impl IntoIterator<Item = Self>) {
        for part in parts {
            self.left = self.left.min(part.left);
        }
    }

    pub(crate) fn is_background(&self) -> bool {
        self.background
    }

    #[cfg(feature = "redis")]
    pub(super) fn left(&self) -> Duration {
        self.left
    }

    /// Whether there is nothing left.
    pub(crate) fn is_spent(&self) -> bool {
        self.left.is_zero()
    }

    /// Waits for `work` as long as there is something left, and takes off what it took. Without a runtime there is
    /// nothing to wait in.
    pub(crate) async fn spend<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        if self.is_spent() || tokio::runtime::Handle::try_current().is_err() {
            return None;
        }
        let started = clock::now();
        let done = tokio::time::timeout(self.left, work).await.ok();
        self.left = match done {
            Some(_) => self
                .left
                .saturating_sub(Duration::from_millis(clock::now().saturating_sub(started))),
            None => Duration::ZERO,
        };
        done
    }
}
