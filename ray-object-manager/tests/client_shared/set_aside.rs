//! Space that the store sets aside for a client's next object: it changes nothing but how long a put takes.

use std::sync::Barrier;
use std::thread;

use ray_common::ObjectId;
use ray_object_manager::plasma::client::{
    Cause, ConnectOptions, CreateOptions, PlasmaClient, Timeout,
};

use super::with_sharing;
use crate::client_support::{bytes, id, Store, MEMORY};
use crate::our_store::OurStore;

const SIZE: usize = 100_000;

fn set_aside(store: &OurStore) -> u64 {
    store.store.snapshot().counters.creates_set_aside
}

/// As often as it takes for one to lie in space that was set aside, and at least so often.
fn put_some(store: &OurStore, client: &PlasmaClient, least: usize) -> Vec<ObjectId> {
    let before = set_aside(store);
    let ids: Vec<ObjectId> = (0..least).map(|_| id()).collect();
    for (number, id) in (0..).zip(&ids) {
        client.put(*id, &bytes(number, SIZE), &[7; 8]).unwrap();
    }
    assert!(set_aside(store) > before, "none was ever set aside");
    ids
}

#[test]
fn what_lies_there_is_what_was_put() {
    let store = OurStore::start();
    let client = with_sharing(&store, true);
    let ids = put_some(&store, &client, 10);
    let reader = with_sharing(&store, false);
    for (number, id) in (0..).zip(&ids) {
        let object = reader.get_one(*id, Timeout::Immediate).unwrap();
        assert_eq!((object.data(), object.metadata()), (&*bytes(number, SIZE), &[7; 8][..]));
    }
    let now = store.store.snapshot();
    let all = i64::try_from(10 * (SIZE + 8)).unwrap();
    assert_eq!(now.allocated, all, "what is set aside is not seen");
    client.delete(&ids).unwrap();
    drop((client, reader));
    store.expect_idle();
    assert_eq!(store.store.snapshot().allocated, 0);
}

#[test]
fn who_creates_and_fills_later_is_offered_nothing() {
    let store = OurStore::start();
    let client = with_sharing(&store, true);
    for _ in 0..5 {
        let mut buffer = client.create(&CreateOptions::new(id(), SIZE as u64)).unwrap();
        buffer.data_mut().fill(1);
        buffer.seal().unwrap();
    }
    assert_eq!(set_aside(&store), 0);
    store.store.with_allocator(|allocator| allocator.check_invariants().unwrap());
}

#[test]
fn other_sizes_and_those_not_worth_while_are_put_as_ever() {
    let store = OurStore::start();
    let client = with_sharing(&store, true);
    for size in [1000, 1000, 1000, 50_000, 60_000, 50_000, 60_000, 2_000_000, 2_000_000, 2_000_000]
    {
        let id = id();
        client.put(id, &bytes(3, size), b"").unwrap();
        assert_eq!(client.get_one(id, Timeout::Immediate).unwrap().data(), bytes(3, size));
        client.delete(&[id]).unwrap();
    }
    // Those of two megabytes are a large part of this small store.
    assert_eq!(set_aside(&store), 0);
}

#[test]
fn an_object_that_exists_is_not_touched() {
    let store = OurStore::start();
    let client = with_sharing(&store, true);
    // Nobody asks for figures in between, for which what is set aside is given up.
    let ids: Vec<ObjectId> = (0..20).map(|_| id()).collect();
    for (number, id) in (0..).zip(&ids) {
        client.put(*id, &bytes(number, SIZE), b"").unwrap();
        let again = client.put(ids[0], &bytes(99, SIZE), b"").unwrap_err();
        assert!(matches!(again.cause, Cause::ObjectExists), "{again}");
    }
    assert!(set_aside(&store) >= 10, "what a refused put has given back is used by the next");
    for (number, id) in (0..).zip(&ids) {
        let object = client.get_one(*id, Timeout::Immediate).unwrap();
        assert!(object.data() == bytes(number, SIZE));
    }
    drop(client);
    store.expect_idle();
}

#[test]
fn what_is_set_aside_is_room_for_others_and_nothing_is_evicted_for_it() {
    let store = OurStore::start();
    let client = with_sharing(&store, true);
    let held: Vec<ObjectId> = (0..3).map(|_| id()).collect();
    for id in &held {
        client.put(*id, &bytes(1, SIZE), b"").unwrap();
    }
    let other = with_sharing(&store, true);
    // To the last byte: objects lie at multiples of 64.
    let left = MEMORY - 3 * SIZE.next_multiple_of(64);
    let options = CreateOptions::new(id(), left as u64).immediately();
    let buffer = other.create(&options).unwrap();
    assert!(!buffer.is_fallback_allocated());
    assert!(held.iter().all(|id| client.contains(*id).unwrap()));
    buffer.abort().unwrap();
    drop((client, other));
    store.expect_idle();
}

#[test]
fn threads_of_one_client_put_at_once() {
    const THREADS: usize = 4;
    const PUTS: usize = 200;
    let store = OurStore::start();
    let client = with_sharing(&store, true);
    let begin = Barrier::new(THREADS);
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (client, begin) = (&client, &begin);
            scope.spawn(move || {
                begin.wait();
                for number in 0..PUTS {
                    let (id, seed) = (id(), thread * PUTS + number);
                    client.put(id, &bytes(seed, SIZE), b"").unwrap();
                    let object = client.get_one(id, Timeout::Immediate).unwrap();
                    assert!(object.data() == bytes(seed, SIZE));
                    drop(object);
                    client.delete(&[id]).unwrap();
                }
            });
        }
    });
    assert!(set_aside(&store) > 0);
    drop(client);
    store.expect_idle();
    assert_eq!(store.store.snapshot().allocated, 0);
}

#[test]
fn threads_that_put_one_id_at_once_have_one_object() {
    let store = OurStore::start();
    let client = with_sharing(&store, true);
    for round in 0..100 {
        let id = id();
        let wins: Vec<bool> = thread::scope(|scope| {
            let put = |seed| {
                let client = &client;
                move || match client.put(id, &bytes(seed, SIZE), b"") {
                    Ok(()) => true,
                    Err(error) => {
                        assert!(matches!(error.cause, Cause::ObjectExists), "{error}");
                        false
                    }
                }
            };
            let threads: Vec<_> = (0..3).map(|seed| scope.spawn(put(seed))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(wins.iter().filter(|won| **won).count(), 1, "round {round}");
        let winner = wins.iter().position(|won| *won).unwrap();
        let object = client.get_one(id, Timeout::Immediate).unwrap();
        assert!(object.data() == bytes(winner, SIZE), "round {round}");
        drop(object);
        client.delete(&[id]).unwrap();
    }
    drop(client);
    store.expect_idle();
}

#[test]
fn what_was_set_aside_for_a_client_that_has_gone_is_free() {
    let store = OurStore::start();
    for _ in 0..20 {
        let client = PlasmaClient::connect(store.socket(), ConnectOptions::default()).unwrap();
        for _ in 0..3 {
            let id = id();
            client.put(id, &bytes(1, SIZE), b"").unwrap();
            client.delete(&[id]).unwrap();
        }
    }
    store.expect_idle();
    assert_eq!(store.store.snapshot().allocated, 0);
    store.store.with_allocator(|allocator| allocator.check_invariants().unwrap());
}
