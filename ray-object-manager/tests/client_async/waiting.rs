//! Gets and creations that wait.

use std::time::{Duration, Instant};

use futures_lite::future::zip;
use ray_object_manager::plasma::client::{Cause, CreateOptions, Timeout};
use rustix::process::{getrlimit, setrlimit, Resource, Rlimit};

use super::{all, client, on_each_executor, pause, runtime};
use crate::client_support::{bytes, id, until, Store, MEMORY};
use crate::our_store::OurStore;

#[test]
fn a_get_waits_for_the_seal_and_hinders_nobody() {
    on_each_executor(|| async {
        let store = OurStore::start();
        let client = client(&store).await;
        let (first, second) = (id(), id());
        client.put(first, b"1", b"").await.unwrap();
        let mut buffer = client.create(&CreateOptions::new(second, 1)).await.unwrap();
        let ids = [second, first, second];
        let work = async {
            for _ in 0..20 {
                client.put(id(), b"x", b"").await.unwrap();
            }
            buffer.data_mut()[0] = b'2';
            buffer.seal().await.unwrap();
        };
        let (got, ()) = zip(client.get(&ids, Timeout::Never), work).await;
        let got: Vec<u8> = got.unwrap().iter().map(|b| b.as_ref().unwrap()[0]).collect();
        assert_eq!(got, b"212");
        store.expect_idle();
    });
}

#[test]
fn a_get_that_times_out_brings_what_there_is() {
    on_each_executor(|| async {
        let store = OurStore::start();
        let client = client(&store).await;
        let (there, later, missing) = (id(), id(), id());
        client.put(there, b"there", b"").await.unwrap();
        let started = Instant::now();
        let ids = [missing, later, there];
        let get = client.get(&ids, Timeout::After(Duration::from_millis(200)));
        let (got, put) = zip(get, client.put(later, b"later", b"")).await;
        put.unwrap();
        assert!(started.elapsed() >= Duration::from_millis(199));
        let got = got.unwrap();
        assert!(got[0].is_none());
        assert_eq!(got[1].as_ref().unwrap().data(), b"later");
        let error = client.get_one(missing, Duration::from_millis(5).into()).await.unwrap_err();
        assert!(matches!(error.cause, Cause::Timeout));
        drop(got);
        store.expect_idle();
    });
}

#[test]
fn a_creation_waits_for_room() {
    on_each_executor(|| async {
        let store = OurStore::start_with_grace(60);
        let client = client(&store).await;
        let size = (MEMORY / 10 * 6) as u64;
        let big = client.create(&CreateOptions::new(id(), size)).await.unwrap();
        let make_room = async {
            pause(50).await;
            assert!(!client.contains(id()).await.unwrap());
            assert_eq!(store.store.snapshot().pending_creates, 1);
            big.abort().await.unwrap();
        };
        let options = CreateOptions::new(id(), size).metadata(b"m");
        let (created, ()) = zip(client.create(&options), make_room).await;
        let mut created = created.unwrap();
        assert!(!created.is_fallback_allocated());
        assert_eq!(created.metadata_mut(), b"m");
        drop(created);
        store.expect_idle();
    });
}

/// Raises the number of descriptors that this process may have. Returns what it is now.
fn allow_descriptors(wanted: u64) -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(wanted).min(wanted);
    let current = limit.current.unwrap_or(wanted).max(most);
    setrlimit(Resource::Nofile, Rlimit { current: Some(current), maximum: limit.maximum }).unwrap();
    current
}

#[test]
fn thousands_of_gets_wait_on_one_client() {
    // Both ends of each connection are in this process.
    let limit = usize::try_from(allow_descriptors(8000)).unwrap();
    let count = ((limit.saturating_sub(500)) / 2).min(3000);
    on_each_executor(|| async {
        let store = OurStore::start();
        let (client, writer) = (client(&store).await, client(&store).await);
        let ids: Vec<_> = (0..count).map(|_| id()).collect();
        let waiting = all(ids.iter().map(|id| client.get_one(*id, Timeout::Never)));
        let put = async {
            while store.store.snapshot().pending_gets < count {
                pause(5).await;
            }
            for (seed, id) in ids.iter().enumerate().rev() {
                writer.put(*id, &bytes(seed, 100), b"").await.unwrap();
            }
        };
        let (got, ()) = zip(waiting, put).await;
        for (seed, buffer) in got.into_iter().enumerate() {
            assert!(*buffer.unwrap() == *bytes(seed, 100));
        }
        store.expect_idle();
        until("only so many connections stay", || store.store.snapshot().clients <= 6);
    });
}

#[test]
fn tasks_share_a_client() {
    let store = OurStore::start();
    let runtime = runtime();
    runtime.block_on(async {
        let client = client(&store).await;
        let shared: Vec<_> = (0..4).map(|_| id()).collect();
        for (seed, id) in shared.iter().enumerate() {
            client.put(*id, &bytes(seed, 4000), b"shared").await.unwrap();
        }
        let tasks: Vec<_> = (0..50)
            .map(|number| {
                let (client, shared) = (client.clone(), shared.clone());
                tokio::spawn(async move {
                    for round in 0..20 {
                        let seed = (round * 7 + number) % shared.len();
                        let got = client.get(&[shared[seed], shared[seed]], Timeout::Never).await;
                        let copy = got.unwrap().swap_remove(0).unwrap();
                        let own = id();
                        let put = async {
                            client.put(own, &bytes(round, 2000), b"").await.unwrap();
                        };
                        let (buffer, ()) = zip(client.get_one(own, Timeout::Never), put).await;
                        assert!(*buffer.unwrap() == *bytes(round, 2000));
                        assert!(*copy == *bytes(seed, 4000));
                        client.delete(&[own]).await.unwrap();
                        assert!(!client.contains(own).await.unwrap());
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
    store.expect_idle();
}

#[test]
fn when_the_store_goes_whoever_waits_is_told() {
    on_each_executor(|| async {
        let store = OurStore::start_with_grace(60);
        let client = client(&store).await;
        let size = (MEMORY / 10 * 6) as u64;
        let mut big = client.create(&CreateOptions::new(id(), size)).await.unwrap();
        let gets = all((0..20).map(|_| client.get_one(id(), Timeout::Never)));
        let options = CreateOptions::new(id(), size);
        let create = client.create(&options);
        let end = async {
            while store.store.snapshot().pending_gets < 20 {
                pause(1).await;
            }
            store.store.stop();
        };
        let ((gets, created), ()) = zip(zip(gets, create), end).await;
        for error in gets.into_iter().map(Result::unwrap_err).chain([created.unwrap_err()]) {
            assert!(matches!(error.cause, Cause::Disconnected { .. }), "{error}");
        }
        big.data_mut()[0] = 1;
        assert!(big.seal().await.is_err());
        assert!(!client.is_connected());
    });
}
