//! A store that says nothing any more blocks no executor.

use std::future::Future;
use std::time::{Duration, Instant};

use futures_lite::future::{or, zip};
use ray_object_manager::plasma::client::{
    AsyncPlasmaClient, Cause, ConnectOptions, CreateOptions, Timeout,
};

use super::{all, on_each_executor, pause};
use crate::client_support::id;
use crate::fake_store::FakeStore;

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

/// Whether something takes no time.
fn quickly<R>(what: impl FnOnce() -> R) -> R {
    let started = Instant::now();
    let result = what();
    assert!(started.elapsed() < Duration::from_secs(5));
    result
}

#[test]
fn connecting_to_a_silent_store_can_be_given_up() {
    on_each_executor(|| async {
        let store = FakeStore::that_never_accepts();
        let options = ConnectOptions::default();
        assert!(waits(AsyncPlasmaClient::connect(store.socket(), options)).await);
    });
}

#[test]
fn nothing_blocks_and_a_disconnect_wakes_everybody() {
    on_each_executor(|| async {
        let store = FakeStore::that_goes_silent(2);
        let options = ConnectOptions::default();
        let client = AsyncPlasmaClient::connect(store.socket(), options).await.unwrap();
        let (first, second) = (id(), id());
        let held = client.create(&CreateOptions::new(first, 10)).await.unwrap();
        let other = client.create(&CreateOptions::new(second, 10)).await.unwrap();
        assert!(waits(client.contains(id())).await);
        quickly(|| drop(held));
        assert!(waits(other.seal()).await);
        assert!(waits(client.get_one(id(), Timeout::Immediate)).await);
        let gets = all((0..50).map(|_| client.get_one(id(), Timeout::Never)));
        let disconnect = async {
            pause(20).await;
            quickly(|| client.disconnect());
        };
        let (gets, ()) = zip(gets, disconnect).await;
        for error in gets.into_iter().map(Result::unwrap_err) {
            assert!(matches!(error.cause, Cause::Disconnected { .. }), "{error}");
        }
        quickly(|| drop(client));
    });
}
