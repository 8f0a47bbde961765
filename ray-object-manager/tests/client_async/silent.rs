//! A store that says nothing any more blocks no executor.

use std::future::Future;

use futures_lite::future::{or, zip};
use ray_object_manager::plasma::client::{
    AsyncPlasmaClient, Cause, ConnectOptions, CreateOptions, Timeout,
};

use super::{all, on_each_executor, pause};
use crate::client_support::id;
use crate::fake_store::{soon, FakeStore};

/// Whether a future is still waiting after a while.
async fn waits<T>(future: impl Future<Output = T>) -> bool {
    let waiting = async {
        future.await;
        false
    };
    let time = async {
        pause(30).await;
        true
    };
    or(waiting, time).await
}

#[test]
fn connecting_to_a_silent_store_can_be_given_up() {
    let connect = || async {
        let store = FakeStore::that_never_accepts();
        let options = ConnectOptions::default();
        assert!(waits(AsyncPlasmaClient::connect(store.socket(), options)).await);
    };
    soon(move || on_each_executor(connect));
}

#[test]
fn nothing_blocks_and_a_disconnect_wakes_everybody() {
    let test = || async {
        let store = FakeStore::that_goes_silent(2);
        let options = ConnectOptions::default();
        let client = AsyncPlasmaClient::connect(store.socket(), options).await.unwrap();
        let held = client.create(&CreateOptions::new(id(), 10)).await.unwrap();
        let other = client.create(&CreateOptions::new(id(), 10)).await.unwrap();
        assert!(waits(client.contains(id())).await);
        drop(held);
        assert!(waits(other.seal()).await);
        assert!(waits(client.get_one(id(), Timeout::Immediate)).await);
        let gets = all((0..50).map(|_| client.get_one(id(), Timeout::Never)));
        let disconnect = async {
            pause(20).await;
            client.disconnect();
        };
        let (gets, ()) = zip(gets, disconnect).await;
        for error in gets.into_iter().map(Result::unwrap_err) {
            assert!(matches!(error.cause, Cause::Disconnected { .. }), "{error}");
        }
    };
    soon(move || on_each_executor(test));
}

#[test]
fn a_connection_that_nobody_answers_can_be_given_up() {
    let test = || async {
        for read_only in [false, true] {
            let store = FakeStore::that_answers_one();
            let options = ConnectOptions { read_only, ..ConnectOptions::default() };
            let client = AsyncPlasmaClient::connect(store.socket(), options).await.unwrap();
            let missing = client.get_one(id(), Timeout::Immediate).await.unwrap_err();
            assert!(matches!(missing.cause, Cause::NotFound));
            assert!(waits(client.get_one(id(), Timeout::Never)).await);
            let disconnect = async {
                pause(20).await;
                client.disconnect();
            };
            let (got, ()) = zip(client.get_one(id(), Timeout::Never), disconnect).await;
            assert!(matches!(got.unwrap_err().cause, Cause::Disconnected { .. }));
        }
    };
    soon(move || on_each_executor(test));
}
