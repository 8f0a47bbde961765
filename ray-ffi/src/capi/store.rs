//! Objects and their lives.

use std::ffi::{c_char, c_void};
use std::sync::Mutex;

use ray_common::ObjectId;
use ray_object_manager::plasma::common::{
    ObjectDescription, ObjectInfo, ObjectSource, PlasmaError,
};
use ray_object_manager::plasma::obj_lifecycle_mgr::PlasmaLifecycle;
use ray_object_manager::plasma::plasma_allocator::PlasmaAllocator;

use super::guard::{destroy, guarded, lock, required, Failure, Out, PlasmaRsError};
use super::types::{
    occupancy, PlasmaRsMemory, PlasmaRsObject, PlasmaRsObjectId, PlasmaRsOptions, PlasmaRsStats,
};

type Manager = PlasmaLifecycle<PlasmaAllocator>;

// The header says that any thread may call.
const _: () = {
    const fn is_for_any_thread<T: Send + Sync>() {}
    is_for_any_thread::<Mutex<Manager>>();
};

/// Is told of each sealed object that has gone, whether it was deleted or evicted: once, in the thread of
/// the call that made it go, before that call returns. It may use the store, except to destroy it, and must
/// not leave by longjmp or an exception.
pub type PlasmaRsDeleteCallback =
    Option<unsafe extern "C" fn(id: *const PlasmaRsObjectId, user_data: *mut c_void)>;

/// Objects in shared memory, which go when room is needed and nobody uses them: the one that was released
/// longest ago first.
pub struct PlasmaRsStore {
    manager: Mutex<Manager>,
    on_delete: PlasmaRsDeleteCallback,
    user_data: *mut c_void,
}

impl PlasmaRsStore {
    /// Runs `work` on the manager, then tells of what has gone, when the manager is no longer locked.
    fn with<R>(&self, work: impl FnOnce(&mut Manager) -> R) -> Result<R, Failure> {
        let mut gone = Vec::new();
        let result = {
            let mut manager = lock(&self.manager)?;
            let result = work(&mut manager);
            gone.extend(std::iter::from_fn(|| manager.next_deleted()));
            result
        };
        if let Some(tell) = self.on_delete {
            for id in &gone {
                let id = PlasmaRsObjectId { bytes: *id.as_bytes() };
                // SAFETY: the header asks for a function that can be called like this.
                unsafe { tell(&id, self.user_data) };
            }
        }
        Ok(result)
    }
}

/// The body of a function on one object of a store.
unsafe fn with_object<R>(
    store: *const PlasmaRsStore,
    id: *const PlasmaRsObjectId,
    work: impl FnOnce(&mut Manager, ObjectId) -> Result<R, Failure>,
) -> Result<R, Failure> {
    // SAFETY: the header asks for valid pointers.
    let (store, id) = unsafe { (required(store, "store")?, required(id, "id")?.key()) };
    store.with(|manager| work(manager, id))?
}

fn found(manager: &Manager, id: &ObjectId) -> Result<PlasmaRsObject, Failure> {
    manager.get(id).map(Into::into).ok_or(PlasmaError::ObjectNonexistent.into())
}

/// Makes a store with an allocator of its own, which `plasma_rs_store_destroy` takes back.
/// `user_data` is what the callback gets; the library does not look at it. The callback may be null.
///
/// Errors: those of `plasma_rs_allocator_create`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn plasma_rs_store_create(
    options: *const PlasmaRsOptions,
    on_delete: PlasmaRsDeleteCallback,
    user_data: *mut c_void,
    store: *mut *mut PlasmaRsStore,
) -> PlasmaRsError {
    guarded(|| {
        let out = Out::new(store, "store")?;
        // SAFETY: the header asks for valid pointers.
        let config = unsafe { required(options, "options")?.config() }?;
        crate::logging::connect();
        let manager = Mutex::new(Manager::over_allocator(PlasmaAllocator::new(config)?));
        let handle = PlasmaRsStore { manager, on_delete, user_data };
        // SAFETY: as above.
        unsafe { out.write(Box::into_raw(Box::new(handle))) };
        Ok(())
    })
}

/// Drops all objects, without a callback, and unmaps and closes everything. Null is nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn plasma_rs_store_destroy(store: *mut PlasmaRsStore) {
    // SAFETY: the header asks for a handle that is not used again.
    unsafe { destroy(store) }
}

/// Creates an object that is not sealed yet and has one reference, its creator's. When there is no room,
/// unused objects are evicted; when that does not help and `allow_fallback` is set, the object gets a file
/// in the fallback directory. Sizes are bytes; the memory is not cleared.
///
/// Errors: PLASMA_RS_OBJECT_EXISTS; PLASMA_RS_OUT_OF_MEMORY; PLASMA_RS_INVALID_ARGUMENT when a size is
/// negative or their sum is above 2^63 - 1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn plasma_rs_store_create_object(
    store: *mut PlasmaRsStore,
    id: *const PlasmaRsObjectId,
    data_size: i64,
    metadata_size: i64,
    allow_fallback: bool,
    object: *mut PlasmaRsObject,
) -> PlasmaRsError {
    guarded(|| {
        let out = Out::new(object, "object")?;
        let work = |manager: &mut Manager, id| {
            let info = ObjectInfo::new(id, data_size, metadata_size);
            if info.checked_object_size().is_none() {
                return Err(Failure::argument("impossible sizes"));
            }
            manager.create_object(&info, ObjectSource::CREATED_BY_WORKER, allow_fallback)?;
            // So that nothing which is being written is ever unused, and chosen to go.
            manager.add_reference(&id);
            found(manager, &id)
        };
        // SAFETY: the header asks for valid pointers.
        unsafe { out.write(with_object(store, id, work)?) };
        Ok(())
    })
}

/// Finds an object, sealed or not. It gets no reference.
///
/// Errors: PLASMA_RS_OBJECT_NONEXISTENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn plasma_rs_store_get_object(
    store: *const PlasmaRsStore,
    id: *const PlasmaRsObjectId,
    object: *mut PlasmaRsObject,
) -> PlasmaRsError {
    guarded(|| {
        let out = Out::new(object, "object")?;
        // SAFETY: the header asks for valid pointers.
        unsafe { out.write(with_object(store, id, |manager, id| found(manager, &id))?) };
        Ok(())
    })
}

/// Seals an object: from now on its bytes stay as they are. References stay too.
///
/// Errors: PLASMA_RS_OBJECT_NONEXISTENT; PLASMA_RS_OBJECT_SEALED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn plasma_rs_store_seal_object(
    store: *mut PlasmaRsStore,
    id: *const PlasmaRsObjectId,
) -> PlasmaRsError {
    let work = |manager: &mut Manager, id| {
        found(manager, &id)?;
        manager.seal_object(&id).map(drop).ok_or(PlasmaError::ObjectSealed.into())
    };
    // SAFETY: the header asks for valid pointers.
    guarded(|| unsafe { with_object(store, id, work) })
}

/// Gives up an object that is not sealed, whatever references it has. The callback is not called.
///
/// Errors: PLASMA_RS_OBJECT_NONEXISTENT; PLASMA_RS_OBJECT_SEALED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn plasma_rs_store_abort_object(
    store: *mut PlasmaRsStore,
    id: *const PlasmaRsObjectId,
) -> PlasmaRsError {
    let work = |manager: &mut Manager, id| Ok(manager.abort_object(&id)?);
    // SAFETY: the header asks for valid pointers.
    guarded(|| unsafe { with_object(store, id, work) })
}

/// Deletes a sealed object without references. Any other goes as soon as it is one, and the result says
/// why it has not gone yet.
///
/// Errors: PLASMA_RS_OBJECT_NONEXISTENT; PLASMA_RS_OBJECT_NOT_SEALED and PLASMA_RS_OBJECT_IN_USE when the
/// object goes later.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn plasma_rs_store_delete_object(
    store: *mut PlasmaRsStore,
    id: *const PlasmaRsObjectId,
) -> PlasmaRsError {
    let work = |manager: &mut Manager, id| Ok(manager.delete_object(&id)?);
    // SAFETY: the header asks for valid pointers.
    guarded(|| unsafe { with_object(store, id, work) })
}

/// Adds a reference. An object that has one is neither evicted nor deleted.
///
/// Errors: PLASMA_RS_OBJECT_NONEXISTENT; PLASMA_RS_INVALID_ARGUMENT when it has 2^31 - 1 already.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn plasma_rs_store_add_reference(
    store: *mut PlasmaRsStore,
    id: *const PlasmaRsObjectId,
) -> PlasmaRsError {
    let work = |manager: &mut Manager, id| {
        if found(manager, &id)?.ref_count == i32::MAX {
            return Err(Failure::argument("too many references"));
        }
        manager.add_reference(&id);
        Ok(())
    };
    // SAFETY: the header asks for valid pointers.
    guarded(|| unsafe { with_object(store, id, work) })
}

/// Takes a reference away. With the last one the object becomes evictable, or goes at once if its deletion
/// was asked for.
///
/// Errors: PLASMA_RS_OBJECT_NONEXISTENT; PLASMA_RS_NOT_REFERENCED; PLASMA_RS_OBJECT_NOT_SEALED when it is the
/// last one of an object that has to be sealed or aborted first.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn plasma_rs_store_remove_reference(
    store: *mut PlasmaRsStore,
    id: *const PlasmaRsObjectId,
) -> PlasmaRsError {
    let work = |manager: &mut Manager, id| {
        let object = found(manager, &id)?;
        match object.ref_count {
            0 => Err(Failure::new(
                PlasmaRsError::PlasmaRsNotReferenced,
                "the object has no reference",
            )),
            1 if !object.sealed => Err(PlasmaError::ObjectNotSealed.into()),
            _ => {
                manager.remove_reference(&id);
                Ok(())
            }
        }
    };
    // SAFETY: the header asks for valid pointers.
    guarded(|| unsafe { with_object(store, id, work) })
}

/// Evicts objects that are sealed and without references, the one released longest ago first, until they
/// have `size` bytes together, or all. `freed` is how many bytes they had.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn plasma_rs_store_require_space(
    store: *mut PlasmaRsStore,
    size: i64,
    freed: *mut i64,
) -> PlasmaRsError {
    guarded(|| {
        let out = Out::new(freed, "freed")?;
        // SAFETY: the header asks for valid pointers.
        let store = unsafe { required(store, "store") }?;
        // SAFETY: as above.
        unsafe { out.write(store.with(|manager| manager.require_space(size))?) };
        Ok(())
    })
}

/// How many objects and bytes are in which state, in constant time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn plasma_rs_store_stats(
    store: *const PlasmaRsStore,
    stats: *mut PlasmaRsStats,
) -> PlasmaRsError {
    guarded(|| {
        let out = Out::new(stats, "stats")?;
        // SAFETY: the header asks for valid pointers.
        let store = unsafe { required(store, "store") }?;
        let now = PlasmaRsStats::from(lock(&store.manager)?.stats());
        // SAFETY: as above.
        unsafe { out.write(now) };
        Ok(())
    })
}

/// As `plasma_rs_allocator_memory`, for the allocator in the store.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn plasma_rs_store_memory(
    store: *const PlasmaRsStore,
    memory: *mut PlasmaRsMemory,
) -> PlasmaRsError {
    guarded(|| {
        let out = Out::new(memory, "memory")?;
        // SAFETY: the header asks for valid pointers.
        let store = unsafe { required(store, "store") }?;
        let now = PlasmaRsMemory::from(lock(&store.manager)?.table().allocator());
        // SAFETY: as above.
        unsafe { out.write(now) };
        Ok(())
    })
}

/// As `plasma_rs_allocator_occupancy`, for the allocator in the store.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn plasma_rs_store_occupancy(
    store: *const PlasmaRsStore,
    fractions: *mut f64,
    buckets: usize,
) -> PlasmaRsError {
    guarded(|| {
        let out = Out::new(fractions, "fractions")?;
        // SAFETY: the header asks for valid pointers.
        let store = unsafe { required(store, "store") }?;
        let locked = lock(&store.manager)?;
        // SAFETY: as above.
        unsafe { occupancy(locked.table().allocator(), out, buckets) }
    })
}

/// The state for people to read, in UTF-8, over several lines. As much of it as fits is written to `text`,
/// which has `capacity` bytes, and ended by a 0; `length` is how long the whole text is, without the 0.
/// `text` may be null if `capacity` is 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn plasma_rs_store_debug_string(
    store: *const PlasmaRsStore,
    text: *mut c_char,
    capacity: usize,
    length: *mut usize,
) -> PlasmaRsError {
    guarded(|| {
        let out = Out::new(length, "length")?;
        // SAFETY: the header asks for valid pointers.
        let store = unsafe { required(store, "store") }?;
        let state = {
            let manager = lock(&store.manager)?;
            format!("{}\n{}", manager.stats(), manager.policy().statistics())
        };
        if let Some(room) = capacity.checked_sub(1) {
            let text = Out::new(text.cast::<u8>(), "text")?;
            let mut bytes = state.as_bytes()[..room.min(state.len())].to_vec();
            bytes.push(0);
            // SAFETY: as above; these are `capacity` bytes at most.
            unsafe { text.write_all(&bytes) };
        }
        // SAFETY: as above.
        unsafe { out.write(state.len()) };
        Ok(())
    })
}
