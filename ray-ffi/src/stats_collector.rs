//! Behind `stats_collector.h`.

use std::mem::offset_of;

use ray_object_manager::plasma::stats_collector::ObjectStatsCollector;

use crate::layout::local_object;

#[cxx::bridge(namespace = "plasma_rs")]
mod ffi {
    extern "Rust" {
        type StatsHandle;

        fn stats_new() -> Box<StatsHandle>;
        fn stats_debug_dump(counters: &StatsHandle) -> String;
        unsafe fn on_object_created(self: &mut StatsHandle, object: *const u8);
        unsafe fn on_object_sealed(self: &mut StatsHandle, object: *const u8);
        unsafe fn on_object_deleting(self: &mut StatsHandle, object: *const u8);
        unsafe fn on_object_ref_increased(self: &mut StatsHandle, object: *const u8);
        unsafe fn on_object_ref_decreased(self: &mut StatsHandle, object: *const u8);
    }
}

/// The counters of a `plasma::ObjectStatsCollector`, which reads them in place.
#[repr(transparent)]
pub struct StatsHandle(ObjectStatsCollector);

// `plasma_rs/counters.h` has the same numbers.
const _: () = {
    assert!(size_of::<StatsHandle>() == 22 * 8);
    assert!(offset_of!(ObjectStatsCollector, spillable) == 0);
    assert!(offset_of!(ObjectStatsCollector, unsealed) == 16);
    assert!(offset_of!(ObjectStatsCollector, in_use) == 32);
    assert!(offset_of!(ObjectStatsCollector, evictable) == 48);
    assert!(offset_of!(ObjectStatsCollector, created_by_worker) == 64);
    assert!(offset_of!(ObjectStatsCollector, restored) == 80);
    assert!(offset_of!(ObjectStatsCollector, received) == 96);
    assert!(offset_of!(ObjectStatsCollector, errored) == 112);
    assert!(offset_of!(ObjectStatsCollector, created_total) == 128);
    assert!(offset_of!(ObjectStatsCollector, bytes_by_location) == 144);
};

fn stats_new() -> Box<StatsHandle> {
    Box::new(StatsHandle(ObjectStatsCollector::default()))
}

fn stats_debug_dump(counters: &StatsHandle) -> String {
    counters.0.to_string()
}

impl StatsHandle {
    unsafe fn on_object_created(&mut self, object: *const u8) {
        // SAFETY: the shell passes a live `plasma::LocalObject`.
        self.0.created(unsafe { local_object(object) }.facts());
    }

    unsafe fn on_object_sealed(&mut self, object: *const u8) {
        // SAFETY: the shell passes a live `plasma::LocalObject`.
        self.0.sealed(unsafe { local_object(object) }.facts());
    }

    unsafe fn on_object_deleting(&mut self, object: *const u8) {
        // SAFETY: the shell passes a live `plasma::LocalObject`.
        self.0.deleting(unsafe { local_object(object) }.facts());
    }

    unsafe fn on_object_ref_increased(&mut self, object: *const u8) {
        // SAFETY: the shell passes a live `plasma::LocalObject`.
        self.0.reference_added(unsafe { local_object(object) }.facts());
    }

    unsafe fn on_object_ref_decreased(&mut self, object: *const u8) {
        // SAFETY: the shell passes a live `plasma::LocalObject`.
        self.0.reference_removed(unsafe { local_object(object) }.facts());
    }
}
