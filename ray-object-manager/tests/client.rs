//! The client on our store.

mod client_support;

use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use client_support::concurrency::is_disconnected;
use client_support::{id, until, Store, MEMORY};
use ray_object_manager::plasma::client::{ConnectOptions, PlasmaClient, Timeout};
use ray_object_manager::plasma::plasma_allocator::{PlasmaAllocator, PlasmaAllocatorConfig};
use ray_object_manager::plasma::store::disk::DiskMonitor;
use ray_object_manager::plasma::store::{NoHooks, PlasmaStore, StoreConfig};

client_support::test_client_on!(super::OurStore);

/// Ours, in this process.
struct OurStore {
    store: PlasmaStore<PlasmaAllocator>,
    folder: tempfile::TempDir,
}

impl OurStore {
    fn start_in(folder: tempfile::TempDir, grace: u32) -> Self {
        let allocator = PlasmaAllocator::new(PlasmaAllocatorConfig {
            plasma_directory: "/dev/shm".into(),
            fallback_directory: folder.path().into(),
            footprint_limit: i64::try_from(MEMORY).unwrap(),
            hugepage_enabled: false,
            preallocate: false,
            exclude_from_core_dump: true,
        });
        let disk = DiskMonitor::new(vec![folder.path().into()], 1.0, Duration::from_secs(1));
        let config = StoreConfig {
            grace_period_s: grace.into(),
            ..StoreConfig::new(folder.path().join("store"))
        };
        let hooks = Arc::new(NoHooks::new(disk));
        let store = PlasmaStore::start(config, allocator.unwrap(), hooks).unwrap();
        Self { store, folder }
    }

    /// Ends the store; another can be started there.
    fn end(self) -> tempfile::TempDir {
        self.store.stop();
        self.folder
    }
}

impl Store for OurStore {
    fn start_with_grace(seconds: u32) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), seconds)
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    fn expect_idle(&self) {
        until("the store is idle", || {
            let now = self.store.snapshot();
            now.references + now.pending_gets + now.untaken_creates == 0
        });
        assert_eq!(self.store.snapshot().counters.clients_expelled, 0);
    }
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
