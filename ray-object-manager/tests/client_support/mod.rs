//! Tests of the client, for any store. `real-peers` runs them on Ray's.

pub(crate) mod concurrency;
pub(crate) mod futures;
pub(crate) mod objects;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use ray_common::ObjectId;
use ray_object_manager::plasma::client::{ConnectOptions, PlasmaClient};

/// Bytes of memory that a store for tests has.
pub(crate) const MEMORY: usize = 80 << 20;

/// A running store. Ends when it is dropped.
pub(crate) trait Store: Sized {
    /// One that takes to the disk so many seconds after it was full.
    fn start_with_grace(seconds: u32) -> Self;

    fn start() -> Self {
        Self::start_with_grace(0)
    }

    fn socket(&self) -> PathBuf;

    /// Waits until the store has no references of clients and nothing that waits, where it can be asked.
    fn expect_idle(&self) {}

    fn client(&self) -> PlasmaClient {
        self.client_with(ConnectOptions::default())
    }

    fn client_with(&self, options: ConnectOptions) -> PlasmaClient {
        PlasmaClient::connect(self.socket(), options).unwrap()
    }
}

pub(crate) fn until(what: &str, condition: impl Fn() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::yield_now();
    }
}

pub(crate) fn id() -> ObjectId {
    ObjectId::random()
}

/// Bytes that differ from one seed to the next.
pub(crate) fn bytes(seed: usize, length: usize) -> Vec<u8> {
    (0..length).map(|at| (at.wrapping_mul(31) ^ seed).to_le_bytes()[0]).collect()
}

/// Makes a test of each, on a kind of store.
macro_rules! test_client_on {
    ($store:ty) => {
        client_support::test_client_on!($store, objects:
            what_is_put_is_got,
            objects_are_filled_in_place,
            results_keep_order_duplicates_and_gaps,
            many_objects_are_got_at_once,
            an_object_seen_by_another_client_is_the_same,
            unsealed_objects_are_nobodys,
            deletion_tells_what_became_of_each,
            what_a_client_deletes_while_using_it_goes_with_the_last_buffer,
            references_are_given_back,
            what_is_held_is_not_evicted,
            a_creation_waits_for_room,
            what_does_not_fit_goes_to_disk_and_is_unmapped,
            errors_name_operation_and_object,
            mutable_objects_are_shared,
            a_reader_maps_for_reading_only,
            store_tells_about_itself,
        );
        client_support::test_client_on!($store, concurrency:
            a_get_waits_for_the_seal_and_hinders_nobody,
            many_gets_wait_at_once,
            a_get_that_times_out_brings_what_there_is,
            threads_share_a_client,
            disconnecting_wakes_who_waits,
            when_the_store_goes_everything_fails_and_nothing_hangs,
            rays_counts,
            a_fork_gets_errors_and_disturbs_nobody,
        );
        client_support::test_client_on!($store, futures:
            futures_put_get_and_wait,
            dropped_futures_leave_nothing,
        );
    };
    ($store:ty, $module:ident: $($test:ident),* $(,)?) => {
        mod $module {
            $(#[test] fn $test() { super::client_support::$module::$test::<$store>(); })*
        }
    };
}
pub(crate) use test_client_on;
