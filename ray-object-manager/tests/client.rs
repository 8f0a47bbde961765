//! The client on our store.

mod client_async;
mod client_shared;
mod client_support;
mod doc_store;
mod fake_store;
mod our_store;
mod read_only;

use std::thread;
use std::time::Duration;

use client_support::concurrency::is_disconnected;
use client_support::{id, Store};
use our_store::OurStore;
use ray_object_manager::plasma::client::{ConnectOptions, PlasmaClient, Timeout};

client_support::test_client_on!(crate::our_store::OurStore);

/// The same without shared memory.
mod unshared {
    use crate::client_support;

    client_support::test_client_on!(crate::client_shared::Unshared);
}

#[test]
fn a_client_connects_again_to_another_store() {
    let store = OurStore::start();
    let client = store.client();
    let id = id();
    client.put(id, b"old", b"").unwrap();
    let old = client.get_one(id, Timeout::Immediate).unwrap();
    let folder = store.end();
    assert!(is_disconnected(client.debug_string()));
    let store = OurStore::start_in(folder, 0);
    assert!(is_disconnected(client.contains(id)), "not by itself, not even what is in hand");
    let copy = client.clone();
    client.reconnect().unwrap();
    assert!(!copy.contains(id).unwrap());
    copy.put(id, b"new", b"").unwrap();
    let new = client.get_one(id, Timeout::Immediate).unwrap();
    assert_eq!((old.data(), new.data()), (&b"old"[..], &b"new"[..]));
    drop(old);
    assert_eq!(client.delete(&[id]).unwrap().len(), 1);
    assert!(copy.contains(id).unwrap(), "the old buffer was not counted");
    drop(new);
    store.expect_idle();
}

#[test]
fn a_store_that_is_not_there_is_waited_for_and_then_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let options = ConnectOptions {
        retries: 2,
        retry_interval: Duration::from_millis(1),
        ..ConnectOptions::default()
    };
    let error = PlasmaClient::connect(&path, options).unwrap_err().to_string();
    assert!(error.contains("connect") && error.contains(path.to_str().unwrap()), "{error}");
    let waiting = thread::spawn(move || {
        let options = ConnectOptions {
            retry_interval: Duration::from_millis(2),
            ..ConnectOptions::default()
        };
        PlasmaClient::connect(&path, ConnectOptions { retries: 10_000, ..options }).unwrap()
    });
    let store = OurStore::start_in(folder, 0);
    assert!(waiting.join().unwrap().is_connected());
    store.expect_idle();
}
