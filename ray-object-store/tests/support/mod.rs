//! Stores for tests.

#![allow(dead_code, reason = "not every test needs all of it")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ray_object_manager::plasma::client::ConnectOptions;
use ray_object_manager::plasma::plasma_allocator::{PlasmaAllocator, PlasmaAllocatorConfig};
use ray_object_manager::plasma::store::disk::DiskMonitor;
use ray_object_manager::plasma::store::{NoHooks, PlasmaStore as Server, StoreConfig};
use ray_object_store::{MemoryConfig, MemoryStore, PlasmaStore, Store, TieredStore};

/// A plasma store in this process.
pub(crate) struct Plasma {
    pub(crate) store: Server<PlasmaAllocator>,
    folder: tempfile::TempDir,
}

impl Plasma {
    pub(crate) fn start(memory: i64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let disk = DiskMonitor::new(vec![folder.path().into()], 1.0, Duration::from_secs(1));
        let allocator = PlasmaAllocator::new(PlasmaAllocatorConfig {
            plasma_directory: "/dev/shm".into(),
            fallback_directory: folder.path().into(),
            footprint_limit: memory,
            hugepage_enabled: false,
            preallocate: false,
            exclude_from_core_dump: true,
        });
        let socket = folder.path().join("store");
        let config = StoreConfig { grace_period_s: 0, ..StoreConfig::new(socket) };
        let store = Server::start(config, allocator.unwrap(), Arc::new(NoHooks::new(disk)));
        Self { store: store.unwrap(), folder }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    /// Objects in it.
    pub(crate) fn objects(&self) -> usize {
        self.store.snapshot().objects
    }

    pub(crate) fn expect_objects(&self, count: usize) {
        until(&format!("{count} objects in plasma"), || self.objects() == count);
    }

    pub(crate) fn plasma(&self) -> Store {
        Store::new(PlasmaStore::connect(self.socket()).unwrap())
    }

    pub(crate) fn tiered(&self, limit: usize) -> Store {
        let options = ConnectOptions::default();
        let memory = MemoryConfig::new(limit);
        Store::new(TieredStore::connect_with(self.socket(), options, memory, 100 << 10).unwrap())
    }
}

pub(crate) fn memory(limit: usize) -> Store {
    Store::new(MemoryStore::new(MemoryConfig::new(limit)))
}

/// Waits, not for ever.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

pub(crate) fn is_full_scale() -> bool {
    std::env::var_os("PLASMA_RS_TEST_SCALE").is_some_and(|scale| scale == "full")
}
