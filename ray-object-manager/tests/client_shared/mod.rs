//! What the store says of objects that clients use in shared memory, where nobody tells it.

mod set_aside;

use ray_object_manager::plasma::client::{
    Cause, ConnectOptions, CreateOptions, Deletion, PlasmaClient, Timeout,
};

use crate::client_support::{bytes, id, until, Store};
use crate::our_store::OurStore;

/// Our store, whose clients do without shared memory.
pub(crate) struct Unshared(OurStore);

impl Store for Unshared {
    fn start_with_grace(seconds: u32) -> Self {
        Self(OurStore::start_with_grace(seconds))
    }

    fn socket(&self) -> std::path::PathBuf {
        self.0.socket()
    }

    fn expect_idle(&self) {
        self.0.expect_idle();
    }

    fn client_with(&self, options: ConnectOptions) -> PlasmaClient {
        let options = ConnectOptions { shared_memory: false, ..options };
        PlasmaClient::connect(self.socket(), options).unwrap()
    }
}

fn with_sharing(store: &OurStore, shared_memory: bool) -> PlasmaClient {
    store.client_with(ConnectOptions { shared_memory, ..ConnectOptions::default() })
}

/// A client that knows the memory, so that it need not ask for the next object.
fn reader(store: &OurStore) -> PlasmaClient {
    let client = with_sharing(store, true);
    let id = id();
    client.put(id, b"first", b"").unwrap();
    drop(client.get_one(id, Timeout::Immediate).unwrap());
    client.delete(&[id]).unwrap();
    client
}

#[test]
fn what_is_used_unseen_counts() {
    let store = OurStore::start();
    let (one, other) = (reader(&store), reader(&store));
    let writer = with_sharing(&store, false);
    let id = id();
    writer.put(id, &bytes(1, 1000), b"metadata").unwrap();
    let store = &store.store;
    let seen = || {
        let now = store.snapshot();
        let stats = now.stats;
        (now.references, stats.in_use.objects, stats.in_use.bytes, stats.spillable.objects)
    };
    let before = store.snapshot().counters;
    assert_eq!((seen(), store.is_object_spillable(&id)), ((0, 0, 0, 0), false));
    let first = one.get_one(id, Timeout::Immediate).unwrap();
    assert_eq!((seen(), store.is_object_spillable(&id)), ((1, 1, 1008, 1), true));
    assert!(!store.evict(&id));
    let second = other.get_one(id, Timeout::Immediate).unwrap();
    assert_eq!((seen(), store.is_object_spillable(&id)), ((2, 1, 1008, 0), false));
    let third = first.clone();
    drop(first);
    assert_eq!(seen().0, 2, "a client counts once");
    drop(second);
    assert_eq!((seen(), store.is_object_spillable(&id)), ((1, 1, 1008, 1), true));
    assert!(!store.evict(&id));
    drop(third);
    assert_eq!((seen(), store.is_object_spillable(&id)), ((0, 0, 0, 0), false));
    assert_eq!(store.snapshot().stats.evictable.objects, 1);
    let after = store.snapshot().counters;
    assert_eq!((after.gets - before.gets, after.get_hits - before.get_hits), (2, 2));
    assert!(after.releases - before.releases >= 2);
    assert!(store.evict(&id) && !store.evict(&id));
    assert!(!one.contains(id).unwrap());
}

#[test]
fn what_is_deleted_while_it_is_used_unseen_goes_with_the_last_use() {
    let store = OurStore::start();
    let (one, other) = (reader(&store), reader(&store));
    let writer = with_sharing(&store, false);
    for round in 0..200 {
        let id = id();
        let data = bytes(round, 100);
        writer.put(id, &data, b"").unwrap();
        let first = one.get_one(id, Timeout::Immediate).unwrap();
        let second = other.get_one(id, Timeout::Immediate).unwrap();
        assert_eq!(writer.delete(&[id]).unwrap(), [Deletion::InUse]);
        drop(first);
        assert!(writer.contains(id).unwrap());
        assert_eq!(store.store.snapshot().references, 1);
        writer.put(crate::client_support::id(), &data, b"").unwrap();
        assert_eq!(second.data(), data);
        drop(second);
        assert_eq!(other.delete(&[id]).unwrap(), [Deletion::NotFound]);
        assert!(!writer.contains(id).unwrap() && !one.contains(id).unwrap());
    }
    store.expect_idle();
}

#[test]
fn what_was_used_last_goes_last() {
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let store = OurStore::start();
        let client = reader(&store);
        let ids = [id(), id(), id()];
        for id in ids {
            client.create(&CreateOptions::new(id, 25 << 20)).unwrap().seal().unwrap();
        }
        for which in [2, 1, 0, 0, 1, 2].into_iter().chain(order) {
            drop(client.get_one(ids[which], Timeout::Immediate).unwrap());
        }
        for (next, gone) in order.into_iter().enumerate() {
            client.create(&CreateOptions::new(id(), 25 << 20)).unwrap().seal().unwrap();
            let there = ids.map(|id| client.contains(id).unwrap());
            let expected: [bool; 3] = std::array::from_fn(|at| !order[..=next].contains(&at));
            assert_eq!(there, expected, "{order:?}, {gone} is next");
        }
    }
}

/// More than the store hears of one by one.
#[test]
fn what_is_used_is_not_evicted() {
    let store = OurStore::start();
    let (client, other) = (reader(&store), reader(&store));
    let ids: Vec<_> = (0..60).map(|_| id()).collect();
    for (seed, id) in ids.iter().enumerate() {
        client.put(*id, &bytes(seed, 1 << 20), b"").unwrap();
    }
    let held: Vec<_> =
        ids[..40].iter().map(|id| other.get_one(*id, Timeout::Immediate).unwrap()).collect();
    for _ in 0..3 {
        for _ in 0..39 {
            client.create(&CreateOptions::new(id(), 1 << 20)).unwrap().seal().unwrap();
        }
        assert!(ids[..40].iter().all(|id| client.contains(*id).unwrap()));
        assert_eq!(store.store.snapshot().references, 40);
    }
    let too_much = client.create(&CreateOptions::new(id(), 45 << 20).immediately());
    assert!(
        too_much.is_ok()
            || matches!(too_much, Err(ref error) if matches!(error.cause, Cause::OutOfMemory))
    );
    drop(too_much);
    for (seed, object) in held.iter().enumerate() {
        assert!(object.data() == bytes(seed, 1 << 20), "object {seed}");
    }
    drop(held);
    until("all is let go", || store.store.snapshot().references == 0);
}

/// A seal that nobody answers is heard of before anybody asks.
#[test]
fn what_is_put_is_there_at_once_for_everybody() {
    let store = OurStore::start();
    for (writes, reads) in [(true, true), (true, false), (false, true), (false, false)] {
        let (writer, reader) = (with_sharing(&store, writes), with_sharing(&store, reads));
        for round in 0..1500_usize {
            let id = id();
            writer.put(id, &round.to_le_bytes(), b"").unwrap();
            if round % 3 == 0 {
                assert!(reader.contains(id).unwrap(), "{writes} {reads} {round}");
            }
            let object = reader.get_one(id, Timeout::Immediate).unwrap();
            assert_eq!(object.data(), round.to_le_bytes());
            drop(object);
            // A release through a socket has no answer; this one comes behind it.
            if round % 3 == 1 || !reads {
                assert!(reader.contains(id).unwrap());
            }
            assert_eq!(writer.delete(&[id]).unwrap(), [Deletion::Done]);
            assert!(!reader.contains(id).unwrap());
        }
    }
    // Also for who looks from inside, and when the client has gone at once.
    for _ in 0..200 {
        let id = id();
        let writer = with_sharing(&store, true);
        writer.put(id, b"last words", b"").unwrap();
        let reader = with_sharing(&store, false);
        writer.disconnect();
        assert!(reader.contains(id).unwrap());
        assert!(store.store.evict(&id));
    }
    store.expect_idle();
}
