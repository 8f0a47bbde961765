//! What a C program could do to the C interface that the example in C does not.

#![allow(clippy::undocumented_unsafe_blocks)] // every call here is one of C

use std::ffi::{c_void, CStr};
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use ray_ffi::capi::PlasmaRsError::*;
use ray_ffi::capi::*;

fn id(number: u64) -> PlasmaRsObjectId {
    let mut bytes = [7; 28];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    PlasmaRsObjectId { bytes }
}

fn new_store(on_delete: PlasmaRsDeleteCallback, user_data: *mut c_void) -> *mut PlasmaRsStore {
    let options = PlasmaRsOptions { footprint_limit: 1 << 20, ..plasma_rs_default_options() };
    let mut store = null_mut();
    let made = unsafe { plasma_rs_store_create(&options, on_delete, user_data, &mut store) };
    assert_eq!(made, PlasmaRsOk);
    store
}

/// Creates, seals and releases an object.
unsafe fn put(store: *mut PlasmaRsStore, number: u64, size: i64) -> PlasmaRsError {
    let mut object = std::mem::MaybeUninit::uninit();
    let id = id(number);
    let created =
        unsafe { plasma_rs_store_create_object(store, &id, size, 0, false, object.as_mut_ptr()) };
    if created == PlasmaRsOk {
        assert_eq!(unsafe { plasma_rs_store_seal_object(store, &id) }, PlasmaRsOk);
        assert_eq!(unsafe { plasma_rs_store_remove_reference(store, &id) }, PlasmaRsOk);
    }
    created
}

fn stats(store: *const PlasmaRsStore) -> PlasmaRsStats {
    let mut stats = std::mem::MaybeUninit::uninit();
    assert_eq!(unsafe { plasma_rs_store_stats(store, stats.as_mut_ptr()) }, PlasmaRsOk);
    unsafe { stats.assume_init() }
}

#[test]
fn a_callback_may_use_the_store() {
    struct Chain {
        store: *mut PlasmaRsStore,
        gone: Vec<u64>,
    }
    unsafe extern "C" fn delete_next(gone: *const PlasmaRsObjectId, chain: *mut c_void) {
        let chain = chain.cast::<Chain>();
        let mut number = [0; 8];
        unsafe {
            number.copy_from_slice(&(&(*gone).bytes)[..8]);
            let number = u64::from_le_bytes(number);
            (*chain).gone.push(number);
            plasma_rs_store_delete_object((*chain).store, &id(number + 1));
        }
    }
    let chain = Box::into_raw(Box::new(Chain { store: null_mut(), gone: Vec::new() }));
    let store = new_store(Some(delete_next), chain.cast());
    unsafe {
        (*chain).store = store;
        for number in 0..5 {
            assert_eq!(put(store, number, 100), PlasmaRsOk);
        }
        assert_eq!(plasma_rs_store_delete_object(store, &id(0)), PlasmaRsOk);
        assert_eq!(stats(store).evictable.objects, 0);
        plasma_rs_store_destroy(store);
        assert_eq!(Box::from_raw(chain).gone, [0, 1, 2, 3, 4]);
    }
}

#[test]
fn threads_share_a_store() {
    unsafe extern "C" fn count(_: *const PlasmaRsObjectId, gone: *mut c_void) {
        unsafe { &*gone.cast::<AtomicU64>() }.fetch_add(1, Ordering::Relaxed);
    }
    let gone = AtomicU64::new(0);
    let store = new_store(Some(count), std::ptr::from_ref(&gone).cast_mut().cast());
    let (shared, full) = (store as usize, AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            let full = &full;
            scope.spawn(move || {
                for number in 0..500 {
                    // More than has room, so that they evict one another's.
                    match unsafe { put(shared as *mut _, thread << 32 | number, 4000) } {
                        PlasmaRsOk => {}
                        PlasmaRsOutOfMemory => _ = full.fetch_add(1, Ordering::Relaxed),
                        other => panic!("{other:?}"),
                    }
                }
            });
        }
    });
    let stats = stats(store);
    assert_eq!(full.into_inner(), 0, "at most four objects are in use at a time");
    assert_eq!(stats.created_total.objects, 2000);
    assert_eq!(gone.into_inner(), 2000 - stats.evictable.objects.unsigned_abs());
    unsafe { plasma_rs_store_destroy(store) };
}

#[test]
fn null_is_an_error_that_says_which() {
    let message =
        || unsafe { CStr::from_ptr(plasma_rs_last_error_message()) }.to_str().expect("UTF-8");
    let store = new_store(None, null_mut());
    unsafe {
        assert_eq!(plasma_rs_store_seal_object(null_mut(), &id(1)), PlasmaRsInvalidArgument);
        assert_eq!(message(), "store is null");
        assert_eq!(plasma_rs_store_seal_object(store, null()), PlasmaRsInvalidArgument);
        assert_eq!(message(), "id is null");
        let created = plasma_rs_store_create_object(store, &id(1), 1, 0, false, null_mut());
        assert_eq!((created, message()), (PlasmaRsInvalidArgument, "object is null"));
        assert_eq!(stats(store).created_total.objects, 0, "nothing was done for nobody");
        let mut length = 0;
        let mut text = [1 as std::ffi::c_char; 8];
        let described = plasma_rs_store_debug_string(store, text.as_mut_ptr(), 8, &mut length);
        assert_eq!((described, text[7]), (PlasmaRsOk, 0));
        assert!(length > 8);
        let described = plasma_rs_store_debug_string(store, null_mut(), 8, &mut length);
        assert_eq!((described, message()), (PlasmaRsInvalidArgument, "text is null"));
        let mut fractions = [0.0; 2];
        let drawn = plasma_rs_store_occupancy(store, fractions.as_mut_ptr(), usize::MAX);
        assert_eq!(drawn, PlasmaRsInvalidArgument);
        let mut other = null_mut();
        let options = PlasmaRsOptions { plasma_directory: null(), ..plasma_rs_default_options() };
        let made = plasma_rs_store_create(&options, None, null_mut(), &mut other);
        assert_eq!((made, message()), (PlasmaRsInvalidArgument, "plasma_directory is null"));
        plasma_rs_store_destroy(null_mut());
        plasma_rs_allocator_destroy(null_mut());
        plasma_rs_store_destroy(store);
    }
}
