//! The memory tier, its flights and generations under a checker that tries many orders of what threads do:
//! `RUSTFLAGS="--cfg shuttle" cargo test -p cache-core --release interleavings`. Each test is a race in which one order
//! was wrong in some cache, and says what must hold in all.

use std::sync::Arc;
use std::time::Duration;

use shuttle::future::block_on;
use shuttle::thread;

use super::*;
use crate::config::Settings;
use crate::flight::Outcome;
use crate::generations::{Generations, fresh_nonce};

/// How many orders each test tries.
const ORDERS: usize = 20_000;
const KEY: &str = "k";
const LEASE: Duration = Duration::from_secs(3600);

fn explore(test: impl Fn() + Send + Sync + 'static) {
    let test = Arc::new(test);
    let again = Arc::clone(&test);
    shuttle::check_random(move || test(), ORDERS);
    shuttle::check_pct(move || again(), ORDERS, 3);
}

fn store() -> Arc<MemoryStore> {
    let said = Settings {
        shards: Some(1),
        ..Settings::default()
    };
    Arc::new(MemoryStore::new(
        &Config::resolve(said, Settings::default()).unwrap(),
    ))
}

fn draft(value: u64, generations: Arc<[Snapshot]>) -> Draft {
    Draft {
        content: content(value),
        born: 1,
        fresh_until: u64::MAX,
        value_until: u64::MAX,
        serve_until: u64::MAX,
        retry_at: 0,
        refresh_at: u64::MAX,
        generations,
        size: 8,
        local: true,
        read: false,
        owner: Arc::default(),
    }
}

fn content(value: u64) -> Content {
    Content::Value(Arc::new(value))
}

fn value(content: &Content) -> u64 {
    match content {
        Content::Value(value) => *value.downcast_ref().unwrap(),
        Content::Encoded(_) | Content::Absent => 0,
    }
}

fn held(store: &MemoryStore) -> Option<u64> {
    store.fresh(store.hash(KEY), KEY, |entry| value(&entry.content))
}

/// What a caller does: it leads the load or waits for it. One who is `impatient` gives its first lead up.
fn call(store: &MemoryStore, runs: &AtomicU64, mut impatient: bool) -> u64 {
    let hash = store.hash(KEY);
    loop {
        let mut lead = match store.admit(hash, &KEY.into(), true, &Terms::default()) {
            Admission::Ready => match held(store) {
                Some(value) => return value,
                None => continue,
            },
            Admission::Joined(Joined::Lead(lead)) => lead,
            Admission::Joined(Joined::Wait(waiter)) => {
                let outcome = block_on(waiter.wait(LEASE, false));
                let flight = Arc::clone(waiter.flight());
                drop(waiter);
                if flight.is_idle() {
                    store.land_if_idle(&flight);
                }
                match outcome {
                    Ok(Outcome::Loaded(content)) => return value(&content),
                    Ok(_) => panic!("no such outcome was told"),
                    Err(lead) => lead,
                }
            }
        };
        let flight = Arc::clone(lead.flight());
        if std::mem::take(&mut impatient) {
            drop(lead);
            store.land_if_idle(&flight);
            continue;
        }
        let run = runs.fetch_add(1, Ordering::SeqCst) + 1;
        lead.end(Outcome::Loaded(content(run)));
        store.commit(&flight, draft(run, Arc::default()));
        store.close(&flight);
        store.land(&flight);
        return run;
    }
}

#[test]
fn s1_s3_one_load_for_all_though_a_leader_leaves() {
    explore(|| {
        let (store, runs) = (store(), Arc::new(AtomicU64::new(0)));
        let callers: Vec<_> = (0..3)
            .map(|n| {
                let (store, runs) = (Arc::clone(&store), Arc::clone(&runs));
                thread::spawn(move || call(&store, &runs, n == 0))
            })
            .collect();
        for caller in callers {
            assert_eq!(caller.join().unwrap(), 1);
        }
        assert_eq!((runs.load(Ordering::SeqCst), store.flights()), (1, 0));
    });
}

#[test]
fn g1_g2_a_load_under_way_does_not_outlive_an_invalidation() {
    explore(|| {
        let (store, source) = (store(), Arc::new(AtomicU64::new(1)));
        let hash = store.hash(KEY);
        let loader = {
            let (store, source) = (Arc::clone(&store), Arc::clone(&source));
            thread::spawn(move || {
                if let Admission::Joined(Joined::Lead(mut lead)) =
                    store.admit(hash, &KEY.into(), true, &Terms::default())
                {
                    let flight = Arc::clone(lead.flight());
                    let version = source.load(Ordering::SeqCst);
                    lead.end(Outcome::Loaded(content(version)));
                    if store.commit(&flight, draft(version, Arc::default())) == Committed::Stored {
                        store.link(b"arguments", hash, KEY, &Arc::default());
                    }
                    store.close(&flight);
                    store.land(&flight);
                }
            })
        };
        source.store(2, Ordering::SeqCst);
        store.remove(hash, KEY);
        // From here on nobody gets the first version, in memory, the short way, or by joining.
        assert_ne!(held(&store), Some(1));
        assert_ne!(
            store.front(b"arguments", 0, |entry, _| value(&entry.content)),
            Some(1)
        );
        if let Admission::Joined(Joined::Wait(waiter)) =
            store.admit(hash, &KEY.into(), false, &Terms::default())
            && let Ok(Outcome::Loaded(content)) = block_on(waiter.wait(LEASE, false))
        {
            assert_eq!(value(&content), 2);
        }
        loader.join().unwrap();
        assert_ne!(held(&store), Some(1));
        assert_ne!(
            store.front(b"arguments", 0, |entry, _| value(&entry.content)),
            Some(1)
        );
    });
}

#[test]
fn g4_what_was_loaded_under_a_generation_ends_with_it() {
    explore(|| {
        let (store, source) = (store(), Arc::new(AtomicU64::new(1)));
        let generations = Arc::new(Generations::default());
        let hash = store.hash(KEY);
        let loader = {
            let (store, source, generations) =
                (Arc::clone(&store), Arc::clone(&source), Arc::clone(&generations));
            thread::spawn(move || {
                let snapshots: Arc<[_]> = Arc::new([generations.of("tag").snapshot(u64::MAX)]);
                let terms = Terms {
                    generations: Some(&snapshots),
                    token: 0,
                };
                if let Admission::Joined(Joined::Lead(mut lead)) =
                    store.admit(hash, &KEY.into(), true, &terms)
                {
                    let flight = Arc::clone(lead.flight());
                    let version = source.load(Ordering::SeqCst);
                    lead.end(Outcome::Loaded(content(version)));
                    store.commit(&flight, draft(version, snapshots));
                    store.link(b"arguments", hash, KEY, &Arc::default());
                    store.close(&flight);
                    store.land(&flight);
                }
                // The short way remembers that the generations stood.
                let changes = generations.changes();
                store.front(b"arguments", changes, |_, _| ());
            })
        };
        source.store(2, Ordering::SeqCst);
        generations.of("tag").replace(fresh_nonce());
        let quick = || {
            let changes = generations.changes();
            store.front(b"arguments", changes, |entry, _| value(&entry.content))
        };
        assert_ne!(held(&store), Some(1));
        assert_ne!(quick(), Some(1));
        if let Admission::Joined(Joined::Wait(waiter)) =
            store.admit(hash, &KEY.into(), false, &Terms::default())
            && let Ok(Outcome::Loaded(content)) = block_on(waiter.wait(LEASE, false))
        {
            assert_eq!(value(&content), 2);
        }
        loader.join().unwrap();
        assert_ne!(held(&store), Some(1));
        assert_ne!(quick(), Some(1));
    });
}

#[test]
fn g3_an_older_load_does_not_replace_a_newer_one() {
    explore(|| {
        let store = store();
        let hash = store.hash(KEY);
        let leads: Vec<_> = (0..2)
            .map(|_| store.load_alone(hash, KEY, &Terms::default()))
            .collect();
        let loaders: Vec<_> = leads
            .into_iter()
            .enumerate()
            .map(|(n, mut lead)| {
                let store = Arc::clone(&store);
                thread::spawn(move || {
                    let flight = Arc::clone(lead.flight());
                    store.commit(&flight, draft(n as u64, Arc::default()));
                    lead.end(Outcome::Loaded(content(n as u64)));
                    store.land(&flight);
                })
            })
            .collect();
        for loader in loaders {
            loader.join().unwrap();
        }
        assert_eq!((held(&store), store.flights()), (Some(1), 0));
    });
}

#[test]
fn t3_of_all_who_find_an_entry_due_one_refreshes_it() {
    explore(|| {
        let store = store();
        let hash = store.hash(KEY);
        let due = Draft {
            refresh_at: 1,
            ..draft(1, Arc::default())
        };
        store.replace(hash, KEY, due);
        let callers: Vec<_> = (0..3)
            .map(|_| {
                let store = Arc::clone(&store);
                thread::spawn(move || store.fresh(hash, KEY, |entry| entry.is_due(u64::MAX)) == Some(true))
            })
            .collect();
        let told = callers
            .into_iter()
            .map(|caller| caller.join().unwrap())
            .filter(|told| *told)
            .count();
        assert_eq!(told, 1);
    });
}
