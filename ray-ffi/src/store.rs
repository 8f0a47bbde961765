//! Behind `store.h`.

use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cxx::UniquePtr;
use ray_common::ObjectId;
use ray_object_manager::plasma::allocator::{AllocError, Allocation, Allocator, FreeError};
use ray_object_manager::plasma::common::{ObjectInfo, ObjectSource};
use ray_object_manager::plasma::stats_collector::ObjectStatsCollector;
use ray_object_manager::plasma::store::{PlasmaStore, StartError, StoreConfig, StoreHooks};

use crate::allocator::{ffi::AllocatorHook, AllocatorRef};
use crate::logging;

#[cxx::bridge(namespace = "plasma_rs")]
mod ffi {
    struct PlasmaStoreOptions {
        socket: Vec<u8>,
        delay_on_full_ms: u32,
        grace_period_s: i64,
    }

    /// A `ray::ObjectInfo`.
    struct AddedObject<'a> {
        object_id: [u8; 28],
        is_mutable: bool,
        data_size: i64,
        metadata_size: i64,
        owner_node_id: [u8; 28],
        owner_ip_address: &'a str,
        owner_port: i32,
        owner_worker_id: [u8; 28],
    }

    unsafe extern "C++" {
        include!("plasma_rs/hooks.h");
        include!("ray-ffi/src/allocator.rs.h");

        type AllocatorHook = crate::allocator::ffi::AllocatorHook;

        /// What the store tells the world and asks it.
        type PlasmaStoreHook;

        fn object_created(self: &PlasmaStoreHook, size: i64, source: i32);
        fn object_added(self: &PlasmaStoreHook, object: &AddedObject<'_>);
        unsafe fn object_deleted(self: &PlasmaStoreHook, id: *const u8);
        fn spill_objects(self: &PlasmaStoreHook) -> bool;
        fn object_store_full(self: &PlasmaStoreHook);
        fn disk_is_full(self: &PlasmaStoreHook) -> bool;
    }

    extern "Rust" {
        type PlasmaStoreHandle;

        /// `allocator` is the address of an `AllocatorHandle` that outlives the store, as does the hook.
        unsafe fn plasma_store_new(
            options: &PlasmaStoreOptions,
            allocator: *const u8,
            hook: *const PlasmaStoreHook,
        ) -> Box<PlasmaStoreHandle>;
        unsafe fn plasma_store_new_foreign(
            options: &PlasmaStoreOptions,
            allocator: UniquePtr<AllocatorHook>,
            hook: *const PlasmaStoreHook,
        ) -> Box<PlasmaStoreHandle>;

        /// False when it was stopped or started before.
        fn start(self: &PlasmaStoreHandle) -> Result<bool>;
        fn stop(self: &PlasmaStoreHandle);
        fn is_object_spillable(self: &PlasmaStoreHandle, id: &[u8; 28]) -> bool;
        fn available_memory(self: &PlasmaStoreHandle) -> i64;
        /// `counters` is the address of a `plasma_rs::Counters`.
        unsafe fn read_counters(self: &PlasmaStoreHandle, counters: *mut u8);
        fn debug_dump(self: &PlasmaStoreHandle) -> String;
    }
}

/// The allocator that C++ gave to a store, which is the only one to use it.
struct StoreAllocator(AllocatorRef);

// SAFETY: the store calls it under its lock, one thread at a time; C++ promises not to use it beside the store, except
// for the numbers that are atomic. Neither it nor an allocator from C++ belongs to a thread.
unsafe impl Send for StoreAllocator {}

impl Allocator for StoreAllocator {
    fn allocate(&mut self, bytes: usize) -> Result<Allocation, AllocError> {
        self.0.allocate(bytes)
    }

    fn fallback_allocate(&mut self, bytes: usize) -> Result<Allocation, AllocError> {
        self.0.fallback_allocate(bytes)
    }

    fn free(&mut self, allocation: Allocation) -> Result<(), FreeError> {
        self.0.free(allocation)
    }

    fn footprint_limit(&self) -> i64 {
        self.0.footprint_limit()
    }

    fn allocated(&self) -> i64 {
        self.0.allocated()
    }

    fn fallback_allocated(&self) -> i64 {
        self.0.fallback_allocated()
    }
}

/// The callbacks of C++.
struct Hooks(*const ffi::PlasmaStoreHook);

// SAFETY: the hook outlives the store, and its functions may be called from any thread.
unsafe impl Send for Hooks {}
// SAFETY: as above; they may be called at the same time.
unsafe impl Sync for Hooks {}

impl Hooks {
    fn get(&self) -> &ffi::PlasmaStoreHook {
        // SAFETY: the hook outlives the store.
        unsafe { &*self.0 }
    }
}

impl StoreHooks for Hooks {
    fn object_created(&self, size: i64, source: ObjectSource) {
        self.get().object_created(size, source.0);
    }

    fn object_added(&self, info: &ObjectInfo) {
        self.get().object_added(&ffi::AddedObject {
            object_id: *info.object_id.as_bytes(),
            is_mutable: info.is_mutable,
            data_size: info.data_size,
            metadata_size: info.metadata_size,
            owner_node_id: *info.owner_node_id.as_bytes(),
            owner_ip_address: &info.owner_ip_address,
            owner_port: info.owner_port,
            owner_worker_id: *info.owner_worker_id.as_bytes(),
        });
    }

    fn object_deleted(&self, id: &ObjectId) {
        // SAFETY: these are the bytes of an id, and live.
        unsafe { self.get().object_deleted(id.as_bytes().as_ptr()) };
    }

    fn spill_objects(&self, _waiting: &ObjectInfo) -> bool {
        self.get().spill_objects()
    }

    fn object_store_full(&self) {
        self.get().object_store_full();
    }

    fn disk_is_full(&self) -> bool {
        self.get().disk_is_full()
    }
}

type Store = PlasmaStore<StoreAllocator>;

enum State {
    New(StoreAllocator),
    Started(Arc<Store>),
    NeverStarted { footprint_limit: i64 },
}

/// A `plasma::PlasmaStore`.
pub struct PlasmaStoreHandle {
    config: StoreConfig,
    hooks: Arc<Hooks>,
    state: Mutex<State>,
}

unsafe fn plasma_store_new(
    options: &ffi::PlasmaStoreOptions,
    allocator: *const u8,
    hook: *const ffi::PlasmaStoreHook,
) -> Box<PlasmaStoreHandle> {
    new_over(options, AllocatorRef::Ours(allocator.cast()), hook)
}

unsafe fn plasma_store_new_foreign(
    options: &ffi::PlasmaStoreOptions,
    allocator: UniquePtr<AllocatorHook>,
    hook: *const ffi::PlasmaStoreHook,
) -> Box<PlasmaStoreHandle> {
    new_over(options, AllocatorRef::Foreign(allocator), hook)
}

fn new_over(
    options: &ffi::PlasmaStoreOptions,
    allocator: AllocatorRef,
    hook: *const ffi::PlasmaStoreHook,
) -> Box<PlasmaStoreHandle> {
    logging::connect();
    let socket = PathBuf::from(std::ffi::OsStr::from_bytes(&options.socket));
    Box::new(PlasmaStoreHandle {
        config: StoreConfig {
            delay_on_full: Duration::from_millis(options.delay_on_full_ms.into()),
            grace_period_s: options.grace_period_s,
            ..StoreConfig::new(socket)
        },
        hooks: Arc::new(Hooks(hook)),
        state: Mutex::new(State::New(StoreAllocator(allocator))),
    })
}

impl PlasmaStoreHandle {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The store, once it was started; also after it was stopped.
    fn store(&self) -> Option<Arc<Store>> {
        match &*self.state() {
            State::Started(store) => Some(Arc::clone(store)),
            State::New(_) | State::NeverStarted { .. } => None,
        }
    }

    /// Leaves the state in which nothing can be started (any more).
    fn take_new(&self) -> Option<StoreAllocator> {
        let mut state = self.state();
        let State::New(allocator) = &*state else {
            return None;
        };
        let footprint_limit = allocator.footprint_limit();
        match std::mem::replace(&mut *state, State::NeverStarted { footprint_limit }) {
            State::New(allocator) => Some(allocator),
            _ => None,
        }
    }

    fn start(&self) -> Result<bool, StartError> {
        let Some(allocator) = self.take_new() else {
            return Ok(false);
        };
        let hooks: Arc<dyn StoreHooks> = Arc::<Hooks>::clone(&self.hooks);
        let store = Arc::new(Store::start(self.config.clone(), allocator, hooks)?);
        *self.state() = State::Started(store);
        Ok(true)
    }

    fn stop(&self) {
        self.take_new();
        if let Some(store) = self.store() {
            store.stop();
        }
    }

    fn is_object_spillable(&self, id: &[u8; 28]) -> bool {
        self.store().is_some_and(|store| store.is_object_spillable(&ObjectId::from_bytes(*id)))
    }

    fn available_memory(&self) -> i64 {
        match self.store() {
            Some(store) => store.available_memory(),
            None => match &*self.state() {
                State::New(allocator) => allocator.footprint_limit(),
                State::NeverStarted { footprint_limit } => *footprint_limit,
                State::Started(store) => store.available_memory(),
            },
        }
    }

    unsafe fn read_counters(&self, counters: *mut u8) {
        let stats = self.store().map(|store| store.snapshot().stats).unwrap_or_default();
        // SAFETY: the shell passes a `plasma_rs::Counters`; `stats_collector` asserts that the layout is the same.
        unsafe { counters.cast::<ObjectStatsCollector>().write(stats) };
    }

    fn debug_dump(&self) -> String {
        self.store().map(|store| store.debug_dump()).unwrap_or_default()
    }
}
