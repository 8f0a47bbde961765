//! The asynchronous client. What no store but ours can be asked is tested in `client_async`.

use std::future::Future;
use std::time::{Duration, Instant};

use futures_lite::future::{block_on, or, yield_now, zip};
use ray_object_manager::plasma::client::{
    AsyncPlasmaClient, ConnectOptions, CreateOptions, Deletion, Timeout,
};

use super::{bytes, id, Store, MEMORY};

async fn client(store: &impl Store) -> AsyncPlasmaClient {
    AsyncPlasmaClient::connect(store.socket(), ConnectOptions::default()).await.unwrap()
}

/// Drops a future after so many milliseconds, unless it is over.
async fn drop_after<F: Future>(milliseconds: u64, future: F) -> Option<F::Output> {
    let over = async { Some(future.await) };
    let time = async {
        async_io::Timer::after(Duration::from_millis(milliseconds)).await;
        None
    };
    or(over, time).await
}

pub(crate) fn futures_put_get_and_wait<S: Store>() {
    let store = S::start();
    block_on(async {
        let client = client(&store).await;
        let ids: Vec<_> = (0..50).map(|_| id()).collect();
        let put = async {
            for (seed, id) in ids.iter().enumerate() {
                client.put(*id, &bytes(seed, 3000), b"m").await.unwrap();
            }
        };
        let (got, ()) = zip(client.get(&ids, Timeout::Never), put).await;
        let got = got.unwrap();
        for (seed, buffer) in got.iter().enumerate() {
            let buffer = buffer.as_ref().unwrap();
            assert!(buffer.data() == bytes(seed, 3000) && buffer.metadata() == b"m");
        }
        let deleted = client.delete(&ids).await.unwrap();
        assert!(deleted.iter().all(|deletion| *deletion == Deletion::WhenReleased));
        drop(got);
        assert!(!client.contains(ids[49]).await.unwrap());
        assert!(!client.debug_string().await.unwrap().is_empty());
        client.reconnect().await.unwrap();
        client.put(ids[0], b"again", b"").await.unwrap();
        let again = client.get_one(ids[0], Timeout::Immediate).await.unwrap();
        assert_eq!(again.data(), b"again");
    });
    store.expect_idle();
}

pub(crate) fn dropped_futures_leave_nothing<S: Store>() {
    let store = S::start_with_grace(60);
    block_on(async {
        let client = client(&store).await;
        let there = id();
        client.put(there, b"there", b"").await.unwrap();
        for time in 0..10 {
            let ids = [there, id()];
            assert!(drop_after(time, client.get(&ids, Timeout::Never)).await.is_none());
            assert!(drop_after(time, client.get_one(id(), Timeout::Never)).await.is_none());
            drop_after(time, client.put(id(), b"x", b"")).await;
        }
        // A store may hear only after the deletion that connections on which gets waited were closed.
        let started = Instant::now();
        while client.delete(&[there]).await.unwrap() != [Deletion::Done] {
            assert!(started.elapsed() < Duration::from_secs(20), "nobody uses it");
            while client.put(there, b"again", b"").await.is_err() {
                assert!(started.elapsed() < Duration::from_secs(20), "nobody uses it");
                yield_now().await;
            }
        }
        let size = (MEMORY / 10 * 6) as u64;
        for time in [0, 5, 30] {
            let big = client.create(&CreateOptions::new(id(), size)).await.unwrap();
            let abandoned = CreateOptions::new(id(), size);
            assert!(drop_after(time, client.create(&abandoned)).await.is_none());
            drop(big);
            // First the abandoned one is there, in its turn; then its place and its id are free again.
            let next = client.create(&CreateOptions::new(id(), size)).await.unwrap();
            assert!(!next.is_fallback_allocated());
            next.abort().await.unwrap();
            let buffer = client.create(&abandoned).await.unwrap();
            assert!(!buffer.is_fallback_allocated());
        }
    });
    store.expect_idle();
}
