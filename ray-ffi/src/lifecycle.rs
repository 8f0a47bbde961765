//! Behind `obj_lifecycle_mgr.h`: one manager over our own store, and the same over parts from C++.

mod foreign;

use std::cell::UnsafeCell;
use std::mem::MaybeUninit;

use cxx::UniquePtr;
use ray_common::ObjectId;
use ray_object_manager::plasma::common::{ObjectSource, PlasmaError};
use ray_object_manager::plasma::eviction_policy::{ObjectEvictionPolicy, Victim};
use ray_object_manager::plasma::obj_lifecycle_mgr::{
    EagerDeletions, ObjectLifecycleManager, PlasmaLifecycle,
};
use ray_object_manager::plasma::object_store::ObjectTable;
use ray_object_manager::plasma::stats_collector::StatsCollector;

use crate::allocator::{ffi::AllocatorHook, AllocatorRef};
use crate::eviction_policy::{append_ids, keys_from};
use crate::layout::{object_id, object_info, CxxObjectId, CxxObjectInfo};
use crate::logging;
use crate::object_store::{address_in, Addressed, CxxStore};

/// The bridge.
#[cxx::bridge(namespace = "plasma_rs")]
pub mod ffi {
    // What comes back from the calls of an object's life is in words that are written and read as such. A structure with a number and
    // a truth value in one word, which the border passes through memory, is read before it has left the processor, and that waits.

    /// An object's address, and an outcome.
    struct Created {
        object: *const u8,
        outcome: u64,
    }

    /// In an outcome: there are objects that have gone, whose ids are to be asked for.
    #[derive(Debug)]
    #[repr(u64)]
    enum Outcome {
        OthersGone = 1,
        /// The object itself has gone, and nobody need ask for its id; or it had a reference.
        Itself = 2,
        /// Times this: the number of a `PlasmaError`.
        Error = 4,
    }

    /// Bytes that were evicted, and whether there is more to do.
    struct Freed {
        bytes: i64,
        more: bool,
    }

    unsafe extern "C++" {
        include!("plasma_rs/hooks.h");
        include!("ray-ffi/src/allocator.rs.h");

        type AllocatorHook = crate::allocator::ffi::AllocatorHook;

        /// The three parts of a manager when they come from C++. Objects and ids are addresses; ids in
        /// bulk are their bytes.
        type LifecycleHook;

        unsafe fn create_object(
            self: &LifecycleHook,
            info: *const u8,
            source: i32,
            fallback_allocate: bool,
        ) -> *const u8;
        unsafe fn get_object(self: &LifecycleHook, id: *const u8) -> *const u8;
        unsafe fn seal_object(self: &LifecycleHook, id: *const u8) -> *const u8;
        unsafe fn delete_object(self: &LifecycleHook, id: *const u8);

        unsafe fn object_created(self: &LifecycleHook, id: *const u8);
        fn require_space(self: &LifecycleHook, size: i64, ids: &mut Vec<u8>) -> i64;
        fn choose_objects_to_evict(self: &LifecycleHook, bytes: i64, ids: &mut Vec<u8>) -> i64;
        unsafe fn begin_object_access(self: &LifecycleHook, id: *const u8);
        unsafe fn end_object_access(self: &LifecycleHook, id: *const u8);
        unsafe fn remove_object(self: &LifecycleHook, id: *const u8);
        fn policy_debug_string(self: &LifecycleHook) -> String;

        unsafe fn on_object_created(self: &LifecycleHook, object: *const u8);
        unsafe fn on_object_sealed(self: &LifecycleHook, object: *const u8);
        unsafe fn on_object_deleting(self: &LifecycleHook, object: *const u8);
        unsafe fn on_object_ref_increased(self: &LifecycleHook, object: *const u8);
        unsafe fn on_object_ref_decreased(self: &LifecycleHook, object: *const u8);
    }

    extern "Rust" {
        type LifecycleHandle;

        /// `allocator` is the address of an `AllocatorHandle` that outlives the manager.
        unsafe fn lifecycle_new(allocator: *const u8) -> Box<LifecycleHandle>;
        fn lifecycle_new_foreign_allocator(
            allocator: UniquePtr<AllocatorHook>,
        ) -> Box<LifecycleHandle>;
        unsafe fn lifecycle_new_foreign(parts: *const LifecycleHook) -> Box<LifecycleHandle>;

        unsafe fn create_object(
            self: &LifecycleHandle,
            info: *const u8,
            source: i32,
            fallback_allocator: bool,
        ) -> Created;
        unsafe fn get_object(self: &LifecycleHandle, id: *const u8) -> *const u8;
        unsafe fn seal_object(self: &LifecycleHandle, id: *const u8) -> *const u8;
        unsafe fn is_object_sealed(self: &LifecycleHandle, id: *const u8) -> bool;
        unsafe fn abort_object(self: &LifecycleHandle, id: *const u8) -> i32;
        unsafe fn delete_object(self: &LifecycleHandle, id: *const u8) -> u64;
        unsafe fn add_reference(self: &LifecycleHandle, id: *const u8) -> bool;
        unsafe fn remove_reference(self: &LifecycleHandle, id: *const u8) -> u64;
        /// Stops soon after so many objects.
        fn require_space(self: &LifecycleHandle, size: i64, most: usize) -> Freed;
        fn evict_objects(self: &LifecycleHandle, ids: &[u8]);
        /// Makes at `ids` the `ray::ObjectID`s of objects that have gone, but not more than so many. Returns how many; if
        /// it is fewer, none are left.
        unsafe fn next_deleted(self: &LifecycleHandle, ids: *mut u8, most: usize) -> usize;
        fn policy_debug_string(self: &LifecycleHandle) -> String;
        fn counters(self: &LifecycleHandle) -> *const u8;

        fn eager_deletions_len(self: &LifecycleHandle) -> usize;
        fn eager_deletions_contain(self: &LifecycleHandle, id: &[u8; 28]) -> bool;
        fn eager_deletions_insert(self: &LifecycleHandle, id: &[u8; 28]) -> bool;
        fn eager_deletions_remove(self: &LifecycleHandle, id: &[u8; 28]) -> bool;
        fn eager_deletions_clear(self: &LifecycleHandle);
        fn eager_deletions_all(self: &LifecycleHandle) -> Vec<u8>;
    }
}

type Own = PlasmaLifecycle<AllocatorRef, CxxObjectInfo>;
type Foreign =
    ObjectLifecycleManager<foreign::ForeignStore, foreign::ForeignPolicy, foreign::ForeignStats>;

/// A `plasma::ObjectLifecycleManager`.
pub struct LifecycleHandle(UnsafeCell<Manager>);

#[allow(clippy::large_enum_variant)] // there are few managers, and the large one is the usual one
enum Manager {
    Own(Own),
    Foreign(Foreign),
}

unsafe fn lifecycle_new(allocator: *const u8) -> Box<LifecycleHandle> {
    new_over(AllocatorRef::Ours(allocator.cast()))
}

fn lifecycle_new_foreign_allocator(allocator: UniquePtr<AllocatorHook>) -> Box<LifecycleHandle> {
    new_over(AllocatorRef::Foreign(allocator))
}

fn new_over(allocator: AllocatorRef) -> Box<LifecycleHandle> {
    logging::connect();
    let manager = Own::over_allocator(allocator);
    Box::new(LifecycleHandle(UnsafeCell::new(Manager::Own(manager))))
}

unsafe fn lifecycle_new_foreign(parts: *const ffi::LifecycleHook) -> Box<LifecycleHandle> {
    logging::connect();
    // SAFETY: the shell keeps the parts alive as long as the manager.
    let manager = unsafe { foreign::manager(parts) };
    Box::new(LifecycleHandle(UnsafeCell::new(Manager::Foreign(manager))))
}

/// Runs the same expression for either kind of manager.
macro_rules! either {
    ($handle:expr, $manager:ident => $work:expr) => {
        // SAFETY: as Ray's, a manager belongs to one thread. It calls nobody who could come back to it,
        // except for parts from C++, which by contract do not.
        match unsafe { &mut *$handle.0.get() } {
            Manager::Own($manager) => $work,
            Manager::Foreign($manager) => $work,
        }
    };
}

impl LifecycleHandle {
    unsafe fn create_object(
        &self,
        info: *const u8,
        source: i32,
        fallback_allocator: bool,
    ) -> ffi::Created {
        // SAFETY: the shell passes a live `ray::ObjectInfo`.
        let info = unsafe { object_info(info) };
        either!(self, manager => create(manager, info, source, fallback_allocator))
    }

    unsafe fn get_object(&self, id: *const u8) -> *const u8 {
        // SAFETY: the shell passes a live `ray::ObjectID`.
        let key = unsafe { object_id(id) };
        either!(self, manager => {
            let object = manager.get_object(key);
            address_in(manager.table_mut(), object)
        })
    }

    unsafe fn seal_object(&self, id: *const u8) -> *const u8 {
        // SAFETY: the shell passes a live `ray::ObjectID`.
        let key = unsafe { object_id(id) };
        either!(self, manager => {
            let object = manager.seal_object(key);
            address_in(manager.table_mut(), object)
        })
    }

    unsafe fn is_object_sealed(&self, id: *const u8) -> bool {
        // SAFETY: the shell passes a live `ray::ObjectID`.
        let key = unsafe { object_id(id) };
        either!(self, manager => {
            let object = manager.get_object(key);
            object.is_some_and(|object| manager.table().facts(object).sealed)
        })
    }

    unsafe fn abort_object(&self, id: *const u8) -> i32 {
        // SAFETY: the shell passes a live `ray::ObjectID`, which may lie in the object itself.
        let key = unsafe { object_id(id) };
        either!(self, manager => error_number(manager.abort_object(key)))
    }

    unsafe fn delete_object(&self, id: *const u8) -> u64 {
        // SAFETY: the shell passes a live `ray::ObjectID`, which may lie in the object itself.
        let key = unsafe { object_id(id) };
        either!(self, manager => {
            let others = manager.has_deleted();
            let result = manager.delete_object(key);
            let itself = result.is_ok() && !others;
            if itself {
                manager.next_deleted();
            }
            outcome(result, itself, manager.has_deleted())
        })
    }

    unsafe fn add_reference(&self, id: *const u8) -> bool {
        // SAFETY: the shell passes a live `ray::ObjectID`.
        let key = unsafe { object_id(id) };
        either!(self, manager => manager.add_reference(key))
    }

    unsafe fn remove_reference(&self, id: *const u8) -> u64 {
        // SAFETY: the shell passes a live `ray::ObjectID`, which may lie in the object itself.
        let key = unsafe { object_id(id) };
        either!(self, manager => {
            let removed = manager.remove_reference(key);
            outcome(Ok(()), removed, manager.has_deleted())
        })
    }

    fn require_space(&self, size: i64, most: usize) -> ffi::Freed {
        let (bytes, more) = either!(self, manager => manager.require_space_for_now(size, most));
        ffi::Freed { bytes, more }
    }

    fn evict_objects(&self, ids: &[u8]) {
        let keys = keys_from(ids);
        either!(self, manager => manager.evict(&victims(&keys)));
    }

    unsafe fn next_deleted(&self, ids: *mut u8, most: usize) -> usize {
        // SAFETY: the shell passes room for so many `ray::ObjectID`s, which need no alignment.
        let places =
            unsafe { std::slice::from_raw_parts_mut(ids.cast::<MaybeUninit<CxxObjectId>>(), most) };
        either!(self, manager => manager.next_deleted_into(places.iter_mut()))
    }

    fn policy_debug_string(&self) -> String {
        either!(self, manager => debug_string(manager))
    }

    /// The counters of a manager over our own store; null otherwise.
    fn counters(&self) -> *const u8 {
        // SAFETY: as in `either!`.
        match unsafe { &*self.0.get() } {
            Manager::Own(manager) => std::ptr::from_ref(manager.stats()).cast(),
            Manager::Foreign(_) => std::ptr::null(),
        }
    }

    fn with_eager_deletions<R>(&self, work: impl FnOnce(&mut EagerDeletions) -> R) -> R {
        either!(self, manager => work(manager.eager_deletions_mut()))
    }

    fn eager_deletions_len(&self) -> usize {
        self.with_eager_deletions(|ids| ids.len())
    }

    fn eager_deletions_contain(&self, id: &[u8; 28]) -> bool {
        self.with_eager_deletions(|ids| ids.contains(&ObjectId::from_bytes(*id)))
    }

    fn eager_deletions_insert(&self, id: &[u8; 28]) -> bool {
        self.with_eager_deletions(|ids| ids.insert(ObjectId::from_bytes(*id)))
    }

    fn eager_deletions_remove(&self, id: &[u8; 28]) -> bool {
        self.with_eager_deletions(|ids| ids.remove(&ObjectId::from_bytes(*id)))
    }

    fn eager_deletions_clear(&self) {
        self.with_eager_deletions(EagerDeletions::clear);
    }

    fn eager_deletions_all(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.with_eager_deletions(|ids| append_ids(&mut bytes, ids.iter()));
        bytes
    }

    /// For the `ObjectStore` that C++ sees inside a manager over our own store.
    pub(crate) fn with_own_table<R>(&self, work: impl FnOnce(&mut CxxStore) -> R) -> R {
        // SAFETY: as in `either!`.
        match unsafe { &mut *self.0.get() } {
            Manager::Own(manager) => work(manager.table_mut()),
            Manager::Foreign(_) => {
                unreachable!("a manager over foreign parts has no table of ours")
            }
        }
    }
}

fn create<T, P, C>(
    manager: &mut ObjectLifecycleManager<T, P, C>,
    info: &CxxObjectInfo,
    source: i32,
    fallback_allocator: bool,
) -> ffi::Created
where
    T: Addressed<Info = CxxObjectInfo>,
    P: ObjectEvictionPolicy<T>,
    C: StatsCollector<T>,
{
    let created = manager.create_object(info, ObjectSource(source), fallback_allocator);
    ffi::Created {
        object: address_in(manager.table_mut(), created.ok()),
        outcome: outcome(created.map(drop), false, manager.has_deleted()),
    }
}

/// [`ffi::Outcome`], put together.
#[inline]
fn outcome(result: Result<(), PlasmaError>, itself: bool, others_gone: bool) -> u64 {
    // No error has a negative number.
    let error = u64::from(error_number(result).unsigned_abs());
    error * ffi::Outcome::Error.repr
        + u64::from(itself) * ffi::Outcome::Itself.repr
        + u64::from(others_gone) * ffi::Outcome::OthersGone.repr
}

fn debug_string<T: ObjectTable, P: ObjectEvictionPolicy<T>, C: StatsCollector<T>>(
    manager: &ObjectLifecycleManager<T, P, C>,
) -> String {
    manager.policy().debug_string()
}

fn error_number(result: Result<(), PlasmaError>) -> i32 {
    result.err().unwrap_or(PlasmaError::Ok) as i32
}

fn victims<T: ObjectTable<Info = CxxObjectInfo>>(keys: &[CxxObjectId]) -> Vec<Victim<T>> {
    keys.iter().map(|&key| Victim { key, object: None }).collect()
}
