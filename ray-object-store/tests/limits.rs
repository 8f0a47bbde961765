//! The limit under concurrent puts, and a stress test of everything at once.

mod support;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use ray_common::ObjectId;
use ray_object_store::{
    EvictionPolicy, MemoryConfig, MemoryStore, ObjectRef, Store, StoreError, Timeout,
    OBJECT_OVERHEAD,
};
use support::{is_full_scale, Plasma};

/// A small generator; a failure prints its seed.
struct Random(u64);

impl Random {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap() % below
    }
}

/// Sees that the store keeps its limit until it is told to stop.
fn watch(store: &Store, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let stats = store.stats();
        assert!(stats.used() <= stats.limit, "{stats:?}");
        std::thread::yield_now();
    }
}

#[test]
fn the_limit_holds_under_concurrent_puts() {
    for policy in [EvictionPolicy::Lru, EvictionPolicy::Fifo, EvictionPolicy::Lfu] {
        let limit = 300_000;
        let store = Store::new(MemoryStore::new(MemoryConfig { limit, policy }));
        let pinned = store.put_slice(&[1u8; 20_000]).unwrap();
        store.pin(pinned.id()).unwrap();
        let held = store.put_slice(&[2u8; 20_000]).unwrap();
        let stop = AtomicBool::new(false);
        let refused = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            let watching = scope.spawn(|| watch(&store, &stop));
            let puts: Vec<_> = (1..=4u64)
                .map(|seed| {
                    let (store, refused) = (&store, &refused);
                    scope.spawn(move || {
                        let mut random = Random(seed * 0x9e37_79b9);
                        let mut kept: Vec<ObjectRef<[u8]>> = Vec::new();
                        for _ in 0..2000 {
                            match store.put_slice(&vec![3u8; random.next(40_000)]) {
                                Ok(object) if random.next(3) == 0 => kept.push(object),
                                Ok(object) => {
                                    object.detach();
                                }
                                Err(StoreError::OutOfMemory { held, .. }) => {
                                    assert!(held <= limit);
                                    refused.fetch_add(1, Ordering::Relaxed);
                                    kept.clear();
                                }
                                Err(other) => panic!("{other}"),
                            }
                        }
                    })
                })
                .collect();
            puts.into_iter().for_each(|put| put.join().unwrap());
            stop.store(true, Ordering::Relaxed);
            watching.join().unwrap();
        });
        let stats = store.stats();
        // That it was full is seen by what had to go, for who watches may have had no turn meanwhile.
        assert!(stats.counters.evictions > 100 && refused.into_inner() > 0, "{stats:?}");
        // What was pinned or referred to has not gone.
        assert_eq!(*pinned.view().unwrap(), [1u8; 20_000]);
        assert_eq!(*held.view().unwrap(), [2u8; 20_000]);
        let counters = stats.counters;
        let gone = counters.evictions + counters.freed + counters.deleted;
        assert_eq!(counters.puts - gone, store.stats().memory().objects as u64);
    }
}

#[test]
fn pins_count_and_nothing_is_evicted_in_vain() {
    let one = 1000 + OBJECT_OVERHEAD + 100;
    let store = support::memory(3 * one);
    let ids: Vec<ObjectId> =
        (0..3).map(|_| store.put_slice(&[0u8; 1000]).unwrap().detach()).collect();
    store.pin(ids[0]).unwrap();
    store.pin(ids[1]).unwrap();
    match store.put_slice(&[0u8; 2000]).unwrap_err() {
        StoreError::OutOfMemory { limit, held, .. } => {
            assert_eq!((limit, held), (3 * one, store.stats().pinned.bytes));
        }
        other => panic!("{other}"),
    }
    assert!(store.exists(ids[2]).unwrap(), "it would not have been enough");
    store.put_slice(&[0u8; 1000]).unwrap().detach();
    assert!(!store.exists(ids[2]).unwrap());
    assert!(store.exists(ids[0]).unwrap() && store.exists(ids[1]).unwrap());
    assert!(store.put_slice(&[0u8; 100_000]).is_err());
}

/// What each of several threads does with a store: puts, copies, reads, nests, pins, deletes, waits, and drops.
fn mixed_operations(store: &Store, seed: u64, count: usize, ids: &[ObjectId]) {
    type Held = ObjectRef<Vec<u8>>;
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut held: Vec<Held> = Vec::new();
    let mut nests: Vec<ObjectRef<Vec<Held>>> = Vec::new();
    let mut pinned: Vec<ObjectId> = Vec::new();
    let value = |random: &mut Random| vec![7u8; random.next(3000)];
    for _ in 0..count {
        let full = match random.next(16) {
            0..=3 => match store.put(&value(&mut random)) {
                Ok(object) => {
                    held.push(object);
                    false
                }
                Err(error) => is_full(&error),
            },
            4 => match store.put(&value(&mut random)) {
                Ok(object) => {
                    object.detach();
                    false
                }
                Err(error) => is_full(&error),
            },
            5..=8 if !held.is_empty() => {
                let object = &held[random.next(held.len())];
                assert!(object.get().unwrap().iter().all(|byte| *byte == 7));
                false
            }
            9 if !held.is_empty() => {
                held.push(held[random.next(held.len())].clone());
                false
            }
            10 if held.len() > 2 => {
                let nested = held.split_off(held.len() - 2);
                match store.put(&nested) {
                    Ok(nest) => {
                        drop(nested);
                        nests.push(nest);
                        false
                    }
                    Err(error) => is_full(&error),
                }
            }
            11 if !nests.is_empty() => {
                let nest = nests.swap_remove(random.next(nests.len()));
                let inner = nest.get().unwrap();
                drop(nest);
                assert!(inner[0].get().unwrap().iter().all(|byte| *byte == 7));
                false
            }
            12 if !held.is_empty() => {
                let id = held[random.next(held.len())].id();
                store.pin(id).unwrap();
                pinned.push(id);
                false
            }
            13 => {
                // Ids that all threads use: put, got and deleted by each.
                let id = ids[random.next(ids.len())];
                match random.next(3) {
                    0 => {
                        match store.put_at::<ray_object_store::Compact, _>(id, &value(&mut random))
                        {
                            Ok(object) => {
                                object.detach();
                            }
                            Err(StoreError::Exists(_)) => {}
                            Err(error) => assert!(is_full(&error), "{error}"),
                        }
                    }
                    1 => {
                        let object: Held = store.reference(id).unwrap();
                        match object.get_within(Timeout::Immediate) {
                            Ok(value) => assert!(value.iter().all(|byte| *byte == 7)),
                            Err(StoreError::NotFound(_) | StoreError::Object(_)) => {}
                            Err(error) => panic!("{error}"),
                        }
                    }
                    _ => drop(store.delete(id)),
                }
                false
            }
            14 => {
                let (object, promise) = store.promise::<Vec<u8>>();
                let short = std::time::Duration::from_micros(1);
                if random.next(20) == 0 {
                    assert!(object.get_within(short).is_err());
                }
                match promise.fulfil(&value(&mut random)) {
                    Ok(()) => assert!(object.get().is_ok()),
                    Err(error) => assert!(is_full(&error) && object.get().is_err(), "{error}"),
                }
                false
            }
            _ => random.next(4) == 0,
        };
        if full || held.len() > 40 || nests.len() > 10 {
            pinned.drain(..).for_each(|id| store.unpin(id).unwrap());
            held.truncate(random.next(4));
            nests.truncate(random.next(4));
        }
    }
    pinned.drain(..).for_each(|id| store.unpin(id).unwrap());
}

fn is_full(error: &StoreError) -> bool {
    assert!(matches!(error, StoreError::OutOfMemory { .. }), "{error}");
    true
}

fn stress(store: &Store, operations: usize) {
    let ids: Vec<ObjectId> = (0..8).map(|_| ObjectId::random()).collect();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watching = scope.spawn(|| watch(store, &stop));
        let workers: Vec<_> = (1..=8)
            .map(|seed| {
                let ids = &ids;
                scope.spawn(move || mixed_operations(store, seed, operations / 8, ids))
            })
            .collect();
        let ended: Vec<_> = workers.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        stop.store(true, Ordering::Relaxed);
        watching.join().unwrap();
        ended.into_iter().for_each(Result::unwrap);
    });
    ids.iter().for_each(|id| drop(store.delete(*id)));
    let stats = store.stats();
    assert!(stats.counters.evictions > 0, "the limit bites: {stats:?}");
    assert_eq!(stats.memory(), stats.evictable, "only what nobody refers to is left: {stats:?}");
}

/// Sees that nothing is held, by whomever.
fn expect_quiet(store: &Store) {
    let held = |stats: &ray_object_store::Stats| {
        (stats.known - stats.evictable.objects) + stats.shared + stats.waits + stats.lingering
    };
    let last = || format!("{:?}", store.stats());
    let begin = std::time::Instant::now();
    while held(&store.stats()) > 0 {
        assert!(begin.elapsed().as_secs() < 20, "{}", last());
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

/// Fills the memory once more, so that whatever may go does, and takes that away again.
fn expect_empty_after_filling(store: &Store) {
    let whole = vec![0u8; store.stats().limit - OBJECT_OVERHEAD - 200];
    drop(store.put_slice(&whole).unwrap());
    assert!(store.stats().is_idle(), "{:?}", store.stats());
}

fn operations() -> usize {
    if is_full_scale() {
        1_000_000
    } else {
        12_000
    }
}

#[test]
fn nothing_is_left_after_stress_in_memory() {
    for policy in [EvictionPolicy::Lru, EvictionPolicy::Fifo, EvictionPolicy::Lfu] {
        let store = Store::new(MemoryStore::new(MemoryConfig { limit: 400_000, policy }));
        stress(&store, operations());
        expect_quiet(&store);
        expect_empty_after_filling(&store);
    }
}

#[test]
fn nothing_is_left_after_stress_in_both() {
    let plasma = Plasma::start(64 << 20);
    let options = ray_object_manager::plasma::client::ConnectOptions::default();
    let store = ray_object_store::TieredStore::connect_with(
        plasma.socket(),
        options,
        MemoryConfig::new(30_000),
        2000,
    );
    let store = Store::new(store.unwrap());
    assert_eq!(store.objects().stats().limit, 30_000);
    stress(&store, operations() / 8);
    // What was detached stays in plasma, as evictable as anything; nothing is in use there.
    expect_quiet(&store);
    support::until("plasma has no users", || plasma.store.snapshot().references == 0);
}
