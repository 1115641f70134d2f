//! What is left behind by many calls that end in all kinds of ways.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::task::Poll;
use std::time::Duration;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::CacheManager;

/// How many keys: `LEAK_KEYS`, or few enough for every day.
fn keys() -> u32 {
    let said = std::env::var("LEAK_KEYS").ok();
    said.map_or(30_000, |said| said.parse().expect("a number"))
}

#[tokio::test]
async fn nothing_is_left_of_keys_that_are_gone() {
    let cache = CacheManager::builder()
        .backend(crate::BackendMode::Memory)
        .max_entries(1000)
        .build()
        .await
        .expect("a cache");
    let core = &cache.core;
    for n in 0..keys() {
        let fetch = cache.get_or_fetch(format!("k:{n}"), move || async move {
            match n % 4 {
                0 => Err("no such thing"),
                1 => poll_fn(|_| Poll::Pending).await,
                2 => {
                    tokio::task::yield_now().await;
                    Ok(n)
                }
                _ => Ok(n),
            }
        });
        let mut call = pin!(fetch.tags([format!("tag:{n}"), "all".to_owned()]).into_future());
        // A few steps, then the caller leaves; by then all but one kind have ended.
        for _ in 0..3 {
            if poll_fn(|context| Poll::Ready(call.as_mut().poll(context)))
                .await
                .is_ready()
            {
                break;
            }
        }
        if n % 100 == 0 {
            cache.invalidate_tag(format!("tag:{n}")).await;
        }
    }
    assert_eq!(core.memory.flights(), 0);
    assert!(core.memory.len() <= 1000);
    assert!(core.pending.is_empty());
    // Each entry refers to its tag, and twice as many names are kept before those that nothing refers to are let go.
    let names = core.generations.len();
    assert!(names <= 3 * 1024, "{names} names");
    assert!(cache.stats().total.loads >= u64::from(keys()) / 2);
    cache.invalidate_tag("all").await;
    assert_eq!(cache.get::<u32>(format!("k:{}", keys() - 1)).await, None);
}

/// Counts the events that say that something is stale.
struct Stale(Arc<AtomicU32>);

struct Fields<'a>(&'a AtomicU32);

impl Visit for Fields<'_> {
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0
            .fetch_add(u32::from(value && field.name() == "stale"), SeqCst);
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}

impl Subscriber for Stale {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut Fields(&self.0));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[tokio::test(start_paused = true)]
async fn t1_a_stale_value_is_marked_in_tracing() {
    let told = Arc::new(AtomicU32::new(0));
    let _listening = tracing::subscriber::set_default(Stale(Arc::clone(&told)));
    let cache = CacheManager::in_memory();
    for (source, expected) in [(Ok(1), 0), (Ok(2), 0), (Err("broken"), 1)] {
        let fetch = cache.get_or_fetch("k", || async move { source });
        let fetch = fetch
            .ttl(Duration::from_secs(10))
            .stale_if_error(Duration::from_secs(60));
        assert_eq!(fetch.await, Ok(1));
        assert_eq!(told.load(SeqCst), expected);
        tokio::time::advance(Duration::from_secs(6)).await;
    }
}
