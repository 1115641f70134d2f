//! Reads of single keys that ride together in one `MGET`, where many are under way at once: the server and the client then
//! handle one command for all of them. A few go each by itself and at once. It does not know what is read.
//! A task that was just spawned runs next, before those that are ready already; what sends the reads off gives way to these
//! first, or each of them would travel alone.
//! Invariant: a read waits for no answer but its own; what is gathered is sent as soon as the tasks that are ready have run.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::{Cmd, Value};
use tokio::sync::oneshot;

use super::link::{Link, accepted};
use crate::remote::{Budget, Unavailable};

/// Up to so many reads at once go by themselves.
const FEW: usize = 8;
/// Reads one key.
const GET: &str = "GET";
/// Keys in one command.
const MOST: usize = 64;

#[derive(Debug)]
pub(super) struct Gather {
    /// False where each read is to be a `GET`.
    gathers: bool,
    /// Reads that are under way, gathered or not, where they may be gathered.
    under_way: AtomicUsize,
    gathered: Mutex<Vec<Read>>,
}

impl Gather {
    /// `gathers` is false where each read is to be a `GET`.
    pub(super) fn new(gathers: bool) -> Self {
        Self {
            gathers,
            under_way: AtomicUsize::new(0),
            gathered: Mutex::default(),
        }
    }

    /// Counts one more read, and says whether it is to go by itself.
    fn one_more(&self) -> (Option<UnderWay<'_>>, bool) {
        // What nobody asks for is not counted: all threads would write to it.
        if !self.gathers {
            return (None, true);
        }
        let before = self.under_way.fetch_add(1, Ordering::Relaxed);
        (Some(UnderWay(self)), before < FEW)
    }
}

#[derive(Debug)]
struct Read {
    key: String,
    reply: oneshot::Sender<Value>,
}

/// Counts a read for as long as it is under way.
struct UnderWay<'a>(&'a Gather);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Link {
    /// What is under a key.
    pub(super) async fn read(
        self: &Arc<Self>,
        key: String,
        budget: &mut Budget,
    ) -> Result<Value, Unavailable> {
        let gather = self.gather();
        let (_under_way, alone) = gather.one_more();
        if alone || !self.is_up() {
            // On its own: what is gathered has no room to make for it.
            let mut get = Cmd::with_capacity(2, GET.len() + key.len());
            get.arg(GET).arg(key);
            return accepted(Box::pin(self.ask(&get, budget)).await?);
        }
        let (reply, answer) = oneshot::channel();
        let read = Read { key, reply };
        let is_first = {
            let mut gathered = gather.gathered.lock().unwrap_or_else(PoisonError::into_inner);
            gathered.push(read);
            gathered.len() == 1
        };
        if is_first && let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(send_off(Arc::clone(self), budget.left()));
        }
        match budget.spend(answer).await {
            Some(Ok(value)) => Ok(value),
            Some(Err(_)) | None => Err(Unavailable),
        }
    }
}

/// Sends what has gathered. The budget is that of the first of them.
async fn send_off(link: Arc<Link>, budget: Duration) {
    tokio::task::yield_now().await;
    let gathered = {
        let mut gathered = link
            .gather()
            .gathered
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *gathered)
    };
    let mut pieces = Vec::with_capacity(gathered.len().div_ceil(MOST));
    let mut gathered = gathered.into_iter().peekable();
    while gathered.peek().is_some() {
        let piece: Vec<Read> = gathered.by_ref().take(MOST).collect();
        pieces.push(send_piece(&link, piece, budget));
    }
    futures_util::future::join_all(pieces).await;
}

async fn send_piece(link: &Arc<Link>, piece: Vec<Read>, budget: Duration) {
    let mut command = redis::cmd("MGET");
    for read in &piece {
        command.arg(&read.key);
    }
    // Whoever is not answered takes it for a miss.
    if let Ok(Ok(Value::Array(values))) = link.ask(&command, &mut Budget::new(budget)).await {
        for (read, value) in piece.into_iter().zip(values) {
            let _ = read.reply.send(value);
        }
    }
}
