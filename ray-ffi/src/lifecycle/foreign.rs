//! A store, a policy and counters that C++ passed in, as the traits that the manager works on.

use std::ptr::NonNull;

use ray_object_manager::plasma::common::{ObjectFacts, ObjectSource};
use ray_object_manager::plasma::eviction_policy::{ObjectEvictionPolicy, Victim};
use ray_object_manager::plasma::obj_lifecycle_mgr::ObjectLifecycleManager;
use ray_object_manager::plasma::object_store::ObjectTable;
use ray_object_manager::plasma::stats_collector::StatsCollector;

use super::ffi::LifecycleHook;
use super::Foreign;
use crate::eviction_policy::{append_ids, keys_from};
use crate::layout::{CxxLocalObject, CxxObjectId, CxxObjectInfo};
use crate::object_store::Addressed;

/// The parts, which outlive whoever holds this.
#[derive(Clone, Copy)]
struct Parts(NonNull<LifecycleHook>);

impl Parts {
    fn get(&self) -> &LifecycleHook {
        // SAFETY: whoever made the manager keeps the parts alive as long as it.
        unsafe { self.0.as_ref() }
    }
}

/// A `plasma::IObjectStore`.
pub(super) struct ForeignStore(Parts);

/// A `plasma::IEvictionPolicy`.
pub(super) struct ForeignPolicy(Parts);

/// A `plasma::ObjectStatsCollector`, or what a test derived from it.
pub(super) struct ForeignStats(Parts);

/// # Safety
/// `parts` is not null and outlives the manager.
pub(super) unsafe fn manager(parts: *const LifecycleHook) -> Foreign {
    let parts = Parts(NonNull::new(parts.cast_mut()).expect("the shell passes its parts"));
    ObjectLifecycleManager::new(ForeignStore(parts), ForeignPolicy(parts), ForeignStats(parts))
}

fn address<T>(value: &T) -> *const u8 {
    std::ptr::from_ref(value).cast()
}

fn found(object: *const u8) -> Option<NonNull<CxxLocalObject>> {
    NonNull::new(object.cast_mut().cast())
}

impl ObjectTable for ForeignStore {
    type Info = CxxObjectInfo;
    type Ref = NonNull<CxxLocalObject>;

    fn create_object(
        &mut self,
        info: &CxxObjectInfo,
        source: ObjectSource,
        fallback_allocate: bool,
    ) -> Option<Self::Ref> {
        // SAFETY: the description is live during the call.
        found(unsafe { self.0.get().create_object(address(info), source.0, fallback_allocate) })
    }

    fn get_object(&self, key: &CxxObjectId) -> Option<Self::Ref> {
        // SAFETY: the id is live during the call.
        found(unsafe { self.0.get().get_object(address(key)) })
    }

    fn seal_object(&mut self, key: &CxxObjectId) -> Option<Self::Ref> {
        // SAFETY: the id is live during the call.
        found(unsafe { self.0.get().seal_object(address(key)) })
    }

    fn delete_object(&mut self, key: &CxxObjectId, _object: Self::Ref) {
        // SAFETY: the id is live during the call.
        unsafe { self.0.get().delete_object(address(key)) };
    }

    fn facts(&self, object: Self::Ref) -> ObjectFacts {
        // SAFETY: the store returned this object, and keeps it until it is told to delete it.
        unsafe { object.as_ref() }.facts()
    }

    fn add_to_ref_count(&mut self, mut object: Self::Ref, difference: i32) -> i32 {
        // SAFETY: as in `facts`; the reference count of an object is changed by its manager alone.
        let object = unsafe { object.as_mut() };
        object.set_ref_count(object.facts().ref_count + difference);
        object.facts().ref_count
    }

    fn look_again(&self, key: &CxxObjectId, _object: Self::Ref) -> Option<Self::Ref> {
        self.get_object(key)
    }
}

impl Addressed for ForeignStore {
    fn address_of(&mut self, object: NonNull<CxxLocalObject>) -> *const u8 {
        object.as_ptr().cast_const().cast()
    }
}

impl ForeignPolicy {
    fn choose(
        victims: &mut Vec<Victim<ForeignStore>>,
        choose: impl FnOnce(&mut Vec<u8>) -> i64,
    ) -> i64 {
        let mut ids = Vec::new();
        append_ids(&mut ids, victims.iter().map(|victim| &victim.key));
        let known = victims.len();
        let bytes = choose(&mut ids);
        let chosen = keys_from(&ids).into_iter().skip(known);
        victims.extend(chosen.map(|key| Victim { key, object: None }));
        bytes
    }
}

impl ObjectEvictionPolicy<ForeignStore> for ForeignPolicy {
    fn object_created(
        &mut self,
        _: &mut ForeignStore,
        key: &CxxObjectId,
        _: NonNull<CxxLocalObject>,
    ) {
        // SAFETY: the id is live during the call.
        unsafe { self.0.get().object_created(address(key)) };
    }

    fn require_space(
        &mut self,
        _: &mut ForeignStore,
        size: i64,
        victims: &mut Vec<Victim<ForeignStore>>,
    ) -> i64 {
        Self::choose(victims, |ids| self.0.get().require_space(size, ids))
    }

    fn begin_object_access(
        &mut self,
        _: &mut ForeignStore,
        key: &CxxObjectId,
        _: NonNull<CxxLocalObject>,
    ) {
        // SAFETY: the id is live during the call.
        unsafe { self.0.get().begin_object_access(address(key)) };
    }

    fn end_object_access(
        &mut self,
        _: &mut ForeignStore,
        key: &CxxObjectId,
        _: NonNull<CxxLocalObject>,
    ) {
        // SAFETY: the id is live during the call.
        unsafe { self.0.get().end_object_access(address(key)) };
    }

    fn choose_objects_to_evict(
        &mut self,
        _: &mut ForeignStore,
        num_bytes_required: i64,
        victims: &mut Vec<Victim<ForeignStore>>,
    ) -> i64 {
        Self::choose(victims, |ids| self.0.get().choose_objects_to_evict(num_bytes_required, ids))
    }

    fn remove_object(
        &mut self,
        _: &mut ForeignStore,
        key: &CxxObjectId,
        _: NonNull<CxxLocalObject>,
    ) {
        // SAFETY: the id is live during the call.
        unsafe { self.0.get().remove_object(address(key)) };
    }

    fn debug_string(&self) -> String {
        self.0.get().policy_debug_string()
    }
}

impl StatsCollector<ForeignStore> for ForeignStats {
    fn on_object_created(&mut self, _: &ForeignStore, object: NonNull<CxxLocalObject>) {
        // SAFETY: the object is live during the call.
        unsafe { self.0.get().on_object_created(object.as_ptr().cast()) };
    }

    fn on_object_sealed(&mut self, _: &ForeignStore, object: NonNull<CxxLocalObject>) {
        // SAFETY: the object is live during the call.
        unsafe { self.0.get().on_object_sealed(object.as_ptr().cast()) };
    }

    fn on_object_deleting(&mut self, _: &ForeignStore, object: NonNull<CxxLocalObject>) {
        // SAFETY: the object is live during the call.
        unsafe { self.0.get().on_object_deleting(object.as_ptr().cast()) };
    }

    fn on_object_ref_increased(&mut self, _: &ForeignStore, object: NonNull<CxxLocalObject>) {
        // SAFETY: the object is live during the call.
        unsafe { self.0.get().on_object_ref_increased(object.as_ptr().cast()) };
    }

    fn on_object_ref_decreased(&mut self, _: &ForeignStore, object: NonNull<CxxLocalObject>) {
        // SAFETY: the object is live during the call.
        unsafe { self.0.get().on_object_ref_decreased(object.as_ptr().cast()) };
    }
}
