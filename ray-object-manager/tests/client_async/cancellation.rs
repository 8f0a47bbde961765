//! Futures that are dropped at every point leave nothing behind.

use std::future::Future;
use std::time::Duration;

use ray_common::ObjectId;
use ray_object_manager::plasma::client::{
    AsyncPlasmaClient, ConnectOptions, CreateOptions, Timeout,
};

use super::{client, on_each_executor, pause, poll_times};
use crate::client_support::{id, Store, MEMORY};
use crate::our_store::OurStore;

/// Polls futures of this kind once, twice and so on and drops them then, until one comes to its end: at once, and
/// after what it was waiting for may have come. After each the client works, and the store is left with nothing.
async fn dropped_everywhere<F: Future>(
    store: &OurStore,
    client: &AsyncPlasmaClient,
    mut start: impl FnMut() -> F,
) {
    // What is ready at once, and so how many points there are, differs from time to time.
    for late in [false, true, false, true, false] {
        for times in 0.. {
            assert!(times < 1000, "it never ends");
            let mut future = Box::pin(start());
            let over = poll_times(times, &mut future).await.is_some();
            if late {
                pause(2).await;
            }
            drop(future);
            assert!(!client.contains(id()).await.unwrap());
            store.expect_idle();
            if over {
                break;
            }
        }
    }
}

#[test]
fn short_operations_can_be_dropped() {
    on_each_executor(|| async {
        let store = OurStore::start();
        let client = &client(&store).await;
        let there = id();
        client.put(there, b"there", b"m").await.unwrap();
        let all = |ids: [ObjectId; 2]| async move { client.get(&ids, Timeout::Immediate).await };
        dropped_everywhere(&store, client, || all([there, id()])).await;
        dropped_everywhere(&store, client, || client.contains(there)).await;
        dropped_everywhere(&store, client, || client.debug_string()).await;
        dropped_everywhere(&store, client, || client.get_mutable(there)).await;
        dropped_everywhere(&store, client, || async { client.delete(&[id()]).await }).await;
        let connect = || AsyncPlasmaClient::connect(store.socket(), ConnectOptions::default());
        dropped_everywhere(&store, client, connect).await;
        let other = &super::client(&store).await;
        dropped_everywhere(&store, client, || other.reconnect()).await;
        assert!(other.contains(there).await.unwrap(), "it has come to its end at last");
    });
}

#[test]
fn creations_can_be_dropped() {
    on_each_executor(|| async {
        let store = OurStore::start();
        let client = &client(&store).await;
        let put = || async { client.put(id(), &[1; 1000], b"m").await.unwrap() };
        dropped_everywhere(&store, client, put).await;
        let create = || async {
            let mut buffer = client.create(&CreateOptions::new(id(), 10)).await.unwrap();
            buffer.data_mut().fill(1);
            drop(buffer.seal_and_keep().await.unwrap());
        };
        dropped_everywhere(&store, client, create).await;
        let abort = || async {
            let buffer = client.create(&CreateOptions::new(id(), 10)).await.unwrap();
            buffer.abort().await.unwrap();
        };
        dropped_everywhere(&store, client, abort).await;
        let on_disk = || async {
            let size = (MEMORY + 1) as u64;
            let buffer = client.create(&CreateOptions::new(id(), size).immediately()).await;
            assert!(buffer.unwrap().seal_and_keep().await.unwrap().is_fallback_allocated());
        };
        dropped_everywhere(&store, client, on_disk).await;
    });
}

#[test]
fn gets_that_wait_can_be_dropped() {
    on_each_executor(|| async {
        let store = OurStore::start();
        let (reader, writer) = (&client(&store).await, &client(&store).await);
        let there = id();
        writer.put(there, b"there", b"").await.unwrap();
        // The object comes at a moment of its own.
        let mut delay = 0;
        let get = || {
            delay = (delay + 1) % 4;
            async move {
                let missing = id();
                let ids = [there, missing, there];
                let put = async {
                    pause(delay).await;
                    writer.put(missing, b"came", b"").await.unwrap();
                };
                let get = reader.get(&ids, Timeout::Never);
                let (got, ()) = futures_lite::future::zip(get, put).await;
                assert!(got.unwrap().iter().all(Option::is_some));
            }
        };
        dropped_everywhere(&store, reader, get).await;
        let late = || reader.get_one(there, Timeout::After(Duration::from_millis(3)));
        dropped_everywhere(&store, reader, late).await;
        let never = || reader.get_one(id(), Timeout::After(Duration::from_millis(3)));
        dropped_everywhere(&store, reader, never).await;
    });
}

#[test]
fn creations_that_wait_can_be_dropped() {
    on_each_executor(|| async {
        let store = OurStore::start_with_grace(60);
        let client = &client(&store).await;
        let size = (MEMORY / 10 * 6) as u64;
        for late in [0, 30] {
            for times in 0..12 {
                let big = client.create(&CreateOptions::new(id(), size)).await.unwrap();
                let mut big = Some(big);
                let abandoned = id();
                let options = CreateOptions::new(abandoned, size);
                {
                    let mut creation = Box::pin(client.create(&options));
                    let created = poll_times(times, &mut creation).await;
                    assert!(created.is_none(), "there is no room");
                    if times > 2 {
                        assert_eq!(store.store.snapshot().pending_creates, 1);
                    }
                    if late > 0 {
                        // What it was asking for is created meanwhile, and answered to nobody.
                        drop(big.take());
                        pause(late).await;
                    }
                }
                drop(big);
                store.expect_idle();
                // There is room for it, and nobody has it.
                client.create(&options).await.unwrap().abort().await.unwrap();
            }
        }
    });
}

#[test]
fn abandoned_creations_do_not_keep_a_client() {
    on_each_executor(|| async {
        let store = OurStore::start_with_grace(60);
        let first = client(&store).await;
        let size = (MEMORY / 10 * 6) as u64;
        let big = first.create(&CreateOptions::new(id(), size)).await.unwrap();
        let second = client(&store).await;
        assert!(poll_times(3, second.create(&CreateOptions::new(id(), size))).await.is_none());
        drop(second);
        while store.store.snapshot().clients > 1 {
            pause(1).await;
        }
        assert_eq!(store.store.snapshot().pending_creates, 0);
        drop(big);
        store.expect_idle();
    });
}
