//! What a load comes to when something happens to the shared tier while it is asked. The store is a map that several managers
//! share, like processes; time is the paused clock.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::remote::redis::Ears as _;
use crate::{BackendError, CacheBackend, CacheManager};

type Shelf = Arc<Mutex<HashMap<String, Vec<u8>>>>;

/// The way of one process to the store.
#[derive(Debug, Default)]
struct Line {
    shelf: Shelf,
    /// How long each answer takes, in milliseconds.
    takes: AtomicU64,
    /// Whether nothing is answered any more.
    is_cut: AtomicBool,
    /// When the last question was asked.
    asked: Mutex<Option<Instant>>,
    whose: OnceLock<CacheManager>,
    /// So many questions for nonces are asked before, and answered after the moment in which others are first heard.
    first_heard: AtomicU32,
}

impl CacheBackend for Arc<Line> {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, BackendError> {
        *self.asked.lock().unwrap() = Some(Instant::now());
        if self.is_cut.load(SeqCst) {
            std::future::pending::<()>().await;
        }
        sleep(Duration::from_millis(self.takes.load(SeqCst))).await;
        let found = self.shelf.lock().unwrap().get(key).cloned();
        let is_last_nonce = key.contains("%ns:");
        if is_last_nonce
            && self.first_heard.load(SeqCst) > 0
            && let Some(manager) = self.whose.get()
        {
            self.first_heard.fetch_sub(1, SeqCst);
            manager.core.subscribed();
        }
        Ok(found)
    }

    async fn set(&self, key: &str, value: Vec<u8>, _: Duration) -> Result<(), BackendError> {
        self.shelf.lock().unwrap().insert(key.to_owned(), value);
        Ok(())
    }

    async fn delete(&self, key: &str) -> Result<bool, BackendError> {
        Ok(self.shelf.lock().unwrap().remove(key).is_some())
    }

    async fn exists(&self, key: &str) -> Result<bool, BackendError> {
        Ok(self.shelf.lock().unwrap().contains_key(key))
    }

    async fn delete_matching(&self, _: &str) -> Result<u64, BackendError> {
        Err(BackendError::new("nobody asks for it"))
    }

    async fn clear(&self) -> Result<(), BackendError> {
        Err(BackendError::new("nobody asks for it"))
    }

    async fn close(&self) -> Result<(), BackendError> {
        Ok(())
    }
}

async fn process(shelf: &Shelf) -> (CacheManager, Arc<Line>) {
    let line = Arc::new(Line {
        shelf: Arc::clone(shelf),
        ..Line::default()
    });
    let builder = CacheManager::builder()
        .store(Arc::clone(&line))
        .op_budget(Duration::from_millis(100));
    let manager = builder.build().await.unwrap();
    line.whose.set(manager.clone()).unwrap();
    (manager, line)
}

/// A load that another process runs until it is told to end.
async fn held_by(other: &CacheManager) -> (Arc<Notify>, JoinHandle<Result<u32, ()>>) {
    let (entered, end) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (inside, ends, other) = (Arc::clone(&entered), Arc::clone(&end), other.clone());
    let load = tokio::spawn(async move {
        let load = || async {
            inside.notify_one();
            ends.notified().await;
            Ok(2)
        };
        other.get_or_fetch("k:1", load).await
    });
    entered.notified().await;
    (end, load)
}

/// Three questions for the entry and its nonces, and one for the claim.
const ASKING: u64 = 4 * 10;

#[tokio::test(start_paused = true)]
async fn l3_one_who_is_cut_off_while_another_process_loads_has_one_budget_in_all() {
    let shelf = Shelf::default();
    let ((here, line), (other, _)) = (process(&shelf).await, process(&shelf).await);
    let (end, load) = held_by(&other).await;
    line.takes.store(10, SeqCst);
    let asked = Arc::clone(&line);
    let call = tokio::spawn(async move {
        let mut waited = Duration::ZERO;
        let fetch = here.get_or_fetch("k:1", || {
            waited = asked.asked.lock().unwrap().unwrap().elapsed();
            async { Ok::<_, ()>(1_u32) }
        });
        (fetch.await, waited)
    });
    sleep(Duration::from_secs(1)).await;
    line.is_cut.store(true, SeqCst);
    let (value, waited) = call.await.unwrap();
    assert_eq!(value, Ok(1));
    assert!(
        waited <= Duration::from_millis(100 - ASKING + 1),
        "{waited:?} after what it had taken before"
    );
    end.notify_one();
    assert_eq!(load.await.unwrap(), Ok(2));
}

#[tokio::test(start_paused = true)]
async fn s2_looks_at_a_load_that_goes_on_are_not_held_against_the_budget() {
    let shelf = Shelf::default();
    let ((here, line), (other, _)) = (process(&shelf).await, process(&shelf).await);
    let (end, load) = held_by(&other).await;
    line.takes.store(10, SeqCst);
    let call = tokio::spawn(async move { here.get_or_fetch("k:1", || async { Ok::<_, ()>(1_u32) }).await });
    // They look for far longer than a budget.
    sleep(Duration::from_secs(5)).await;
    end.notify_one();
    assert_eq!((call.await.unwrap(), load.await.unwrap()), (Ok(2), Ok(2)));
}

#[tokio::test(start_paused = true)]
async fn l3_one_who_waits_for_another_process_looks_as_soon_as_the_channel_is_lost() {
    let shelf = Shelf::default();
    let ((here, line), (other, _)) = (process(&shelf).await, process(&shelf).await);
    let (end, load) = held_by(&other).await;
    let manager = here.clone();
    let call = tokio::spawn(async move { here.get_or_fetch("k:1", || async { Ok::<_, ()>(1_u32) }).await });
    sleep(Duration::from_millis(2001)).await;
    let last_asked = || line.asked.lock().unwrap().unwrap();
    assert_ne!(last_asked(), Instant::now(), "a look that nothing called for");
    manager.core.lost(Duration::ZERO);
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    assert_eq!(last_asked(), Instant::now());
    end.notify_one();
    assert_eq!((call.await.unwrap(), load.await.unwrap()), (Ok(2), Ok(2)));
}

#[tokio::test(start_paused = true)]
async fn what_is_stored_while_others_are_first_heard_is_in_the_shared_tier() {
    for times in 1..=2 {
        for how in ["load", "set", "set_many"] {
            let shelf = Shelf::default();
            let ((here, line), (other, _)) = (process(&shelf).await, process(&shelf).await);
            line.first_heard.store(times, SeqCst);
            match how {
                "load" => {
                    let fetch = here.get_or_fetch("k:1", || async { Ok::<_, ()>(1_u32) });
                    assert_eq!(fetch.await, Ok(1));
                }
                "set" => here.set("k:1", &1_u32).await.unwrap(),
                _ => here.set_many([("k:1", 1_u32)]).await.unwrap(),
            }
            assert_eq!(line.first_heard.load(SeqCst), 0);
            assert_eq!(other.get::<u32>("k:1").await, Some(1), "{how}, {times}");
        }
    }
}
