//! A client in a process that has no descriptor left.

mod doc_store;

use std::fs::File;
use std::time::Duration;

use futures_lite::future::block_on;
use ray_common::ObjectId;
use ray_object_manager::plasma::client::{
    AsyncPlasmaClient, Cause, ConnectOptions, PlasmaClient, Timeout,
};
use rustix::process::{getrlimit, setrlimit, Resource, Rlimit};

#[test]
fn a_get_that_cannot_wait_is_an_error_and_the_client_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let _store = doc_store::start_store(folder.path(), 1 << 20, 0);
    let socket = folder.path().join("store");
    let there = ObjectId::random();
    let client = PlasmaClient::connect(&socket, ConnectOptions::default()).unwrap();
    client.put(there, b"there", b"").unwrap();
    drop(client.get_one(there, Timeout::Immediate).unwrap());
    let connect = AsyncPlasmaClient::connect(&socket, ConnectOptions::default());
    let asynchronous = block_on(connect).unwrap();
    drop(block_on(asynchronous.get_one(there, Timeout::Immediate)).unwrap());

    let limit = Rlimit { current: Some(100), ..getrlimit(Resource::Nofile) };
    setrlimit(Resource::Nofile, limit).unwrap();
    let mut taken: Vec<File> = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        taken.push(file);
    }
    let soon = Timeout::After(Duration::from_millis(5));
    let ids = [there, ObjectId::random()];
    let error = client.get(&ids, soon).unwrap_err();
    assert!(matches!(error.cause, Cause::Exhausted(_)), "{error}");
    let error = block_on(asynchronous.get(&ids, soon)).unwrap_err();
    assert!(matches!(error.cause, Cause::Exhausted(_)), "{error}");
    assert_eq!(client.get_one(there, Timeout::Never).unwrap().data(), b"there");
    assert_eq!(block_on(asynchronous.get_one(there, Timeout::Never)).unwrap().data(), b"there");
    drop(taken);
    assert!(client.get(&ids, soon).unwrap()[1].is_none());
    assert!(block_on(asynchronous.get(&ids, soon)).unwrap()[1].is_none());
}
