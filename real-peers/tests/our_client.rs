//! Our client on Ray's store.

#[path = "../../ray-object-manager/tests/client_support/mod.rs"]
mod client_support;

use std::path::PathBuf;

use client_support::{Store, MEMORY};
use real_peers::{RealStore, StoreOptions};

client_support::test_client_on!(real_peers::RealStore);

impl Store for RealStore {
    fn start_with_grace(seconds: u32) -> Self {
        let options = StoreOptions { memory: MEMORY as u64, ..StoreOptions::default() };
        RealStore::start(&options.setting("oom_grace_period_s", seconds)).unwrap()
    }

    fn socket(&self) -> PathBuf {
        RealStore::socket(self)
    }
}
