//! Our store, for tests of clients.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ray_object_manager::plasma::plasma_allocator::{PlasmaAllocator, PlasmaAllocatorConfig};
use ray_object_manager::plasma::store::disk::DiskMonitor;
use ray_object_manager::plasma::store::{NoHooks, PlasmaStore, StoreConfig};

use crate::client_support::{until, Store, MEMORY};

/// Ours, in this process.
pub(crate) struct OurStore {
    pub(crate) store: PlasmaStore<PlasmaAllocator>,
    folder: tempfile::TempDir,
}

impl OurStore {
    pub(crate) fn start_in(folder: tempfile::TempDir, grace: u32) -> Self {
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
    pub(crate) fn end(self) -> tempfile::TempDir {
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
            let waiting = now.pending_gets + now.pending_creates + now.untaken_creates;
            now.references + waiting == 0 && now.stats.unsealed.bytes == 0
        });
        assert_eq!(self.store.snapshot().counters.clients_expelled, 0);
    }
}
