//! Behind `object_store.h`.

use std::cell::UnsafeCell;

use cxx::UniquePtr;
use ray_object_manager::plasma::common::ObjectSource;
use ray_object_manager::plasma::object_store::{ObjectRef, ObjectStore, ObjectTable};

use crate::allocator::{ffi::AllocatorHook, AllocatorRef};
use crate::layout::{object_id, object_info, CxxObjectInfo};
use crate::lifecycle::LifecycleHandle;
use crate::logging;
use crate::views::CxxViews;

#[cxx::bridge(namespace = "plasma_rs")]
mod ffi {
    unsafe extern "C++" {
        include!("plasma_rs/hooks.h");
        include!("ray-ffi/src/allocator.rs.h");

        type AllocatorHook = crate::allocator::ffi::AllocatorHook;
    }

    extern "Rust" {
        type StoreHandle;

        /// `allocator` is the address of an `AllocatorHandle` that outlives the store.
        unsafe fn store_new(allocator: *const u8) -> Box<StoreHandle>;
        fn store_new_foreign(allocator: UniquePtr<AllocatorHook>) -> Box<StoreHandle>;
        /// `manager` is the address of a `LifecycleHandle` over our own store that outlives this.
        unsafe fn store_of_lifecycle(manager: *const u8) -> Box<StoreHandle>;

        unsafe fn create_object(
            self: &StoreHandle,
            info: *const u8,
            source: i32,
            fallback_allocate: bool,
        ) -> *const u8;
        unsafe fn get_object(self: &StoreHandle, id: *const u8) -> *const u8;
        unsafe fn seal_object(self: &StoreHandle, id: *const u8) -> *const u8;
        unsafe fn delete_object(self: &StoreHandle, id: *const u8) -> bool;
        fn len(self: &StoreHandle) -> usize;
        fn objects(self: &StoreHandle) -> Vec<usize>;
    }
}

/// The table behind C++.
pub(crate) type CxxStore = ObjectStore<AllocatorRef, CxxObjectInfo>;

/// A `plasma::ObjectStore`: a table of its own, or the one inside a lifecycle manager.
#[allow(clippy::large_enum_variant)] // there are few stores, and the large one is the usual one
pub enum StoreHandle {
    /// The table is here.
    Own(UnsafeCell<CxxStore>),
    /// The table belongs to a manager, which outlives this handle.
    Inside(*const LifecycleHandle),
}

unsafe fn store_new(allocator: *const u8) -> Box<StoreHandle> {
    new_over(AllocatorRef::Ours(allocator.cast()))
}

fn store_new_foreign(allocator: UniquePtr<AllocatorHook>) -> Box<StoreHandle> {
    new_over(AllocatorRef::Foreign(allocator))
}

fn new_over(allocator: AllocatorRef) -> Box<StoreHandle> {
    logging::connect();
    Box::new(StoreHandle::Own(UnsafeCell::new(ObjectStore::new(allocator))))
}

unsafe fn store_of_lifecycle(manager: *const u8) -> Box<StoreHandle> {
    Box::new(StoreHandle::Inside(manager.cast()))
}

impl StoreHandle {
    fn with<R>(&self, work: impl FnOnce(&mut CxxStore) -> R) -> R {
        match self {
            // SAFETY: as Ray's, a store belongs to one thread, and `work` never comes back to it.
            Self::Own(store) => work(unsafe { &mut *store.get() }),
            // SAFETY: the manager outlives this handle.
            Self::Inside(manager) => unsafe { &**manager }.with_own_table(work),
        }
    }

    unsafe fn create_object(
        &self,
        info: *const u8,
        source: i32,
        fallback_allocate: bool,
    ) -> *const u8 {
        // SAFETY: the shell passes a live `ray::ObjectInfo`.
        let info = unsafe { object_info(info) };
        self.with(|store| {
            let object = store.create_object(info, ObjectSource(source), fallback_allocate);
            address_in(store, object)
        })
    }

    unsafe fn get_object(&self, id: *const u8) -> *const u8 {
        // SAFETY: the shell passes a live `ray::ObjectID`.
        let key = unsafe { object_id(id) };
        self.with(|store| {
            let object = store.get_object(key);
            address_in(store, object)
        })
    }

    unsafe fn seal_object(&self, id: *const u8) -> *const u8 {
        // SAFETY: the shell passes a live `ray::ObjectID`.
        let key = unsafe { object_id(id) };
        self.with(|store| {
            let object = store.seal_object(key);
            address_in(store, object)
        })
    }

    unsafe fn delete_object(&self, id: *const u8) -> bool {
        // SAFETY: the shell passes a live `ray::ObjectID`, which may lie in the object itself.
        let key = *unsafe { object_id(id) };
        self.with(|store| store.delete_by_key(&key))
    }

    fn len(&self) -> usize {
        self.with(|store| store.len())
    }

    fn objects(&self) -> Vec<usize> {
        self.with(|store| {
            let all: Vec<ObjectRef> = store.refs().collect();
            let address = |object| {
                let (views, slot, number) = store.shown(object);
                let seen = views.address(slot, number);
                seen.unwrap_or_else(|| store.show(object, CxxViews::show_beside_others)) as usize
            };
            all.into_iter().map(address).collect()
        })
    }
}

/// A table whose objects C++ can look at.
pub(crate) trait Addressed: ObjectTable {
    /// The address of the object's `plasma::LocalObject`.
    fn address_of(&mut self, object: Self::Ref) -> *const u8;
}

impl Addressed for CxxStore {
    #[inline]
    fn address_of(&mut self, object: ObjectRef) -> *const u8 {
        let (views, slot, number) = self.shown(object);
        views.address(slot, number).unwrap_or_else(|| self.show(object, CxxViews::show))
    }
}

/// The address of an object, or null.
pub(crate) fn address_in<T: Addressed>(table: &mut T, object: Option<T::Ref>) -> *const u8 {
    object.map_or(std::ptr::null(), |object| table.address_of(object))
}
