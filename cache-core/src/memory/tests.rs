use std::collections::VecDeque;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::EvictionPolicy;
use crate::config::Settings;
use crate::flight::{Outcome, Terms};

fn store(
    policy: EvictionPolicy,
    max_entries: usize,
    max_bytes: Option<u64>,
    shards: Option<usize>,
) -> MemoryStore {
    let said = Settings {
        eviction: Some(policy),
        max_entries: Some(max_entries),
        max_bytes,
        shards,
        ..Settings::default()
    };
    MemoryStore::new(&Config::resolve(said, Settings::default()).unwrap())
}

fn draft(size: usize) -> Draft {
    Draft {
        content: Content::Value(Arc::new(1_u8)),
        born: 1,
        fresh_until: u64::MAX,
        value_until: u64::MAX,
        serve_until: u64::MAX,
        retry_at: 0,
        refresh_at: u64::MAX,
        generations: Arc::default(),
        size,
        local: true,
        read: false,
        owner: Arc::default(),
    }
}

/// A request: whether it was a hit; a miss is put in.
fn request(store: &MemoryStore, key: &str, size: usize) -> bool {
    let hash = store.hash(key);
    if store.fresh(hash, key, |_| ()).is_some() {
        return true;
    }
    let lead = store.load_alone(hash, key, &Terms::default());
    store.commit(lead.flight(), draft(size));
    store.land(lead.flight());
    false
}

/// The same request on a list whose front leaves first.
fn model(list: &mut VecDeque<u8>, key: u8, room: usize, recency: bool) -> bool {
    let found = list.iter().position(|held| *held == key);
    if let Some(at) = found {
        if recency {
            list.remove(at);
            list.push_back(key);
        }
        return true;
    }
    if list.len() == room {
        list.pop_front();
    }
    list.push_back(key);
    false
}

proptest! {
    #[test]
    fn lru_and_fifo_agree_with_a_list(keys in proptest::collection::vec(0u8..40, 1..400), room in 1usize..30) {
        for (policy, recency) in [(EvictionPolicy::Lru, true), (EvictionPolicy::Fifo, false)] {
            let store = store(policy, room, None, Some(1));
            let mut list = VecDeque::new();
            for key in &keys {
                let hit = request(&store, &key.to_string(), 1);
                prop_assert_eq!(hit, model(&mut list, *key, room, recency), "{:?} {}", policy, key);
            }
            prop_assert_eq!(store.len(), list.len());
        }
    }

    #[test]
    fn m5_no_policy_exceeds_its_bounds(keys in proptest::collection::vec((0u16..500, 0usize..300), 1..600),
                                       room in 1usize..50, bytes in 200u64..5000, shards in 0u32..4) {
        for policy in [EvictionPolicy::Lru, EvictionPolicy::Lfu, EvictionPolicy::Fifo, EvictionPolicy::Random] {
            let store = store(policy, room, Some(bytes), Some(1 << shards));
            for (key, size) in &keys {
                request(&store, &key.to_string(), *size);
                prop_assert!(store.len() <= room, "{:?}: {} entries", policy, store.len());
                prop_assert!(store.bytes() <= bytes, "{:?}: {} bytes", policy, store.bytes());
            }
            store.clear();
            prop_assert_eq!((store.len(), store.bytes()), (0, 0));
        }
    }
}

#[test]
fn lfu_keeps_what_is_used_often_through_a_scan() {
    let store = store(EvictionPolicy::Lfu, 100, None, Some(1));
    for _ in 0..20 {
        for key in 0..50 {
            request(&store, &format!("hot:{key}"), 1);
        }
    }
    for key in 0..500 {
        request(&store, &format!("scan:{key}"), 1);
    }
    let kept = (0..50)
        .filter(|key| request(&store, &format!("hot:{key}"), 1))
        .count();
    assert_eq!(kept, 50);
}

#[test]
fn random_eviction_spares_no_place() {
    let store = store(EvictionPolicy::Random, 10, None, Some(1));
    for key in 0..10_000 {
        request(&store, &key.to_string(), 1);
    }
    assert_eq!(store.len(), 10);
    // Were it first in, first out, all of the last ten would be left.
    let newest = (9_990..10_000).filter(|key| {
        store
            .any(store.hash(key.to_string()), &key.to_string(), |_| ())
            .is_some()
    });
    assert!(newest.count() < 10);
}

#[test]
fn an_entry_larger_than_the_bound_is_not_held_and_takes_nothing_with_it() {
    let store = store(EvictionPolicy::Lru, 100, Some(1000), Some(1));
    request(&store, "small", 10);
    request(&store, "large", 2000);
    assert!(request(&store, "small", 10));
    assert!(!request(&store, "large", 2000));
}

#[test]
fn g1_a_load_that_was_invalidated_is_not_stored() {
    let store = store(EvictionPolicy::Lru, 100, None, None);
    let hash = store.hash("k");
    let lead = store.load_alone(hash, "k", &Terms::default());
    store.remove(hash, "k");
    assert_eq!(store.commit(lead.flight(), draft(1)), Committed::Refused);
    let lead = store.load_alone(hash, "k", &Terms::default());
    store.remove_matching("k*");
    assert_eq!(store.commit(lead.flight(), draft(1)), Committed::Refused);
    let lead = store.load_alone(hash, "k", &Terms::default());
    store.clear();
    assert_eq!(store.commit(lead.flight(), draft(1)), Committed::Refused);
    assert!(store.fresh(hash, "k", |_| ()).is_none());
}

#[test]
fn g3_an_older_load_does_not_replace_the_result_of_a_newer_one() {
    let store = store(EvictionPolicy::Lru, 100, None, None);
    let hash = store.hash("k");
    let older = store.load_alone(hash, "k", &Terms::default());
    let newer = store.load_alone(hash, "k", &Terms::default());
    assert_eq!(store.commit(newer.flight(), draft(1)), Committed::Stored);
    assert_eq!(store.commit(older.flight(), draft(1)), Committed::Outrun);
}

#[test]
fn g3_what_was_read_does_not_replace_what_was_loaded_after_it() {
    let store = store(EvictionPolicy::Lru, 100, None, None);
    let hash = store.hash("k");
    let born = |born: u64, read: bool| Draft {
        born,
        read,
        ..draft(1)
    };
    let loader = store.load_alone(hash, "k", &Terms::default());
    let reader = store.load_alone(hash, "k", &Terms::default());
    assert_eq!(store.commit(loader.flight(), born(20, false)), Committed::Stored);
    // It began later, but what it has read is older.
    assert_eq!(store.commit(reader.flight(), born(10, true)), Committed::Outrun);
    assert_eq!(store.commit(reader.flight(), born(30, true)), Committed::Stored);
}

/// An invalidation finds it no more.
#[test]
fn g1_a_flight_that_has_landed_stores_nothing() {
    let store = store(EvictionPolicy::Lru, 100, None, None);
    let hash = store.hash("k");
    let lead = store.load_alone(hash, "k", &Terms::default());
    store.land(lead.flight());
    assert_eq!(store.commit(lead.flight(), draft(1)), Committed::Refused);
    let lead = store.load_alone(hash, "k", &Terms::default());
    let flight = Arc::clone(lead.flight());
    drop(lead);
    assert!(store.land_if_idle(&flight));
    assert_eq!(store.commit(&flight, draft(1)), Committed::Refused);
}

#[test]
fn flights_are_forgotten_when_they_have_landed() {
    let store = store(EvictionPolicy::Lru, 100, None, None);
    let hash = store.hash("k");
    let Admission::Joined(Joined::Lead(mut lead)) = store.admit(hash, &"k".into(), true, &Terms::default())
    else {
        panic!("somebody else leads")
    };
    assert_eq!(store.flights(), 1);
    let Admission::Joined(Joined::Wait(waiter)) = store.admit(hash, &"k".into(), true, &Terms::default())
    else {
        panic!("nobody leads")
    };
    store.close(lead.flight());
    lead.end(Outcome::Loaded(Content::Absent));
    store.land(waiter.flight());
    assert_eq!(store.flights(), 0);
}

#[test]
fn what_has_expired_is_swept_out_while_others_come() {
    let store = store(EvictionPolicy::Lru, 1_000_000, None, Some(1));
    for key in 0..1000 {
        let key = format!("old:{key}");
        let lead = store.load_alone(store.hash(&key), key.as_str(), &Terms::default());
        store.commit(
            lead.flight(),
            Draft {
                fresh_until: 1,
                serve_until: 1,
                ..draft(1)
            },
        );
        store.land(lead.flight());
    }
    for key in 0..2000 {
        request(&store, &format!("new:{key}"), 1);
    }
    assert!(store.len() < 2100, "{} entries", store.len());
}

#[test]
fn many_threads_keep_the_count_right() {
    let store = store(EvictionPolicy::Lru, 100, None, Some(4));
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let store = &store;
            scope.spawn(move || {
                for n in 0..5000_u32 {
                    let key = ((n * 7 + thread * 13) % 300).to_string();
                    if n % 11 == 0 {
                        store.remove(store.hash(&key), &key);
                    } else {
                        request(store, &key, 1);
                    }
                }
            });
        }
    });
    let held = (0..300).filter(|key: &u32| {
        store
            .any(store.hash(key.to_string()), &key.to_string(), |_| ())
            .is_some()
    });
    assert_eq!(held.count(), store.len());
    assert!(store.len() <= 100);
    assert_eq!(store.flights(), 0);
}

#[test]
fn the_short_way_ends_with_its_entry() {
    for policy in [EvictionPolicy::Lru, EvictionPolicy::Random] {
        let store = store(policy, 10, None, Some(2));
        let counters = Arc::default();
        for n in 0..200_u32 {
            let key = n.to_string();
            let hash = store.hash(&key);
            request(&store, &key, 1);
            store.link(&n.to_le_bytes(), hash, &key, &counters);
            assert!(store.front(&n.to_le_bytes(), 0, |_, _| ()).is_some());
            if n % 3 == 0 {
                store.remove(hash, &key);
                assert!(store.front(&n.to_le_bytes(), 0, |_, _| ()).is_none());
            }
            assert_eq!(store.front.len(), store.len());
        }
        // A new value takes the place of the old one, and its short way with it.
        let hash = store.hash("k");
        request(&store, "k", 1);
        store.link(b"arguments", hash, "k", &counters);
        store.replace(hash, "k", draft(1));
        assert!(store.front(b"arguments", 0, |_, _| ()).is_none());
        store.remove_matching("*");
        assert_eq!((store.front.len(), store.len()), (0, 0));
    }
}
