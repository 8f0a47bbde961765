//! Our store, for tests of clients.

use std::path::PathBuf;

use ray_object_manager::plasma::plasma_allocator::PlasmaAllocator;
use ray_object_manager::plasma::store::PlasmaStore;

use crate::client_support::{until, Store, MEMORY};
use crate::doc_store::start_store;

/// Ours, in this process.
pub(crate) struct OurStore {
    pub(crate) store: PlasmaStore<PlasmaAllocator>,
    folder: tempfile::TempDir,
}

impl OurStore {
    pub(crate) fn start_in(folder: tempfile::TempDir, grace: u32) -> Self {
        let memory = i64::try_from(MEMORY).unwrap();
        let store = start_store(folder.path(), memory, grace.into());
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
