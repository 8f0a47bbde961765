//! How calls end: error numbers, their messages, and panics that go no further.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::ffi::{c_char, CStr, CString};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::{Mutex, MutexGuard};

use ray_object_manager::plasma::common::PlasmaError;

/// How a call ended. The numbers stay as they are; those below 100 are Ray's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::enum_variant_names)] // C has one name space for all of them
#[repr(C)]
pub enum PlasmaRsError {
    /// Done.
    PlasmaRsOk = 0,
    /// There is an object of this id.
    PlasmaRsObjectExists = 1,
    /// There is no object of this id.
    PlasmaRsObjectNonexistent = 2,
    /// No memory, not even after eviction and, where it was allowed, in a fallback file.
    PlasmaRsOutOfMemory = 3,
    /// The object is not sealed yet.
    PlasmaRsObjectNotSealed = 4,
    /// The object is referenced.
    PlasmaRsObjectInUse = 5,
    /// The object is sealed already.
    PlasmaRsObjectSealed = 7,
    /// The operating system has no space in one of the directories.
    PlasmaRsOutOfDisk = 8,
    /// A pointer is null, or a value makes no sense; nothing was done.
    PlasmaRsInvalidArgument = 100,
    /// The primary region cannot be set up: the directory is missing, read-only or full.
    PlasmaRsInitFailed = 101,
    /// No live allocation of this allocator begins at the address.
    PlasmaRsNotAllocated = 102,
    /// The object has no reference that could be taken away.
    PlasmaRsNotReferenced = 103,
    /// A mistake in this library. It is caught, but what the handle stands for may be damaged: from now on
    /// every call on it returns this, and all that is left is to destroy it.
    PlasmaRsInternal = 104,
}

use PlasmaRsError::*;

const NAMES: [(PlasmaRsError, &CStr); 13] = [
    (PlasmaRsOk, c"PLASMA_RS_OK"),
    (PlasmaRsObjectExists, c"PLASMA_RS_OBJECT_EXISTS"),
    (PlasmaRsObjectNonexistent, c"PLASMA_RS_OBJECT_NONEXISTENT"),
    (PlasmaRsOutOfMemory, c"PLASMA_RS_OUT_OF_MEMORY"),
    (PlasmaRsObjectNotSealed, c"PLASMA_RS_OBJECT_NOT_SEALED"),
    (PlasmaRsObjectInUse, c"PLASMA_RS_OBJECT_IN_USE"),
    (PlasmaRsObjectSealed, c"PLASMA_RS_OBJECT_SEALED"),
    (PlasmaRsOutOfDisk, c"PLASMA_RS_OUT_OF_DISK"),
    (PlasmaRsInvalidArgument, c"PLASMA_RS_INVALID_ARGUMENT"),
    (PlasmaRsInitFailed, c"PLASMA_RS_INIT_FAILED"),
    (PlasmaRsNotAllocated, c"PLASMA_RS_NOT_ALLOCATED"),
    (PlasmaRsNotReferenced, c"PLASMA_RS_NOT_REFERENCED"),
    (PlasmaRsInternal, c"PLASMA_RS_INTERNAL"),
];

/// The name of an error number, as this header spells it; "unknown error" for any other number.
/// The text is constant.
#[unsafe(no_mangle)]
pub extern "C" fn plasma_rs_error_name(error: i32) -> *const c_char {
    let known = NAMES.iter().find(|(code, _)| *code as i32 == error);
    known.map_or(c"unknown error", |(_, name)| name).as_ptr()
}

thread_local! {
    static LAST_MESSAGE: RefCell<CString> = RefCell::default();
}

/// What the last call of this thread that failed has to say, in UTF-8; empty when none has failed.
/// The text belongs to the library, and is valid until the next call of this thread that fails.
#[unsafe(no_mangle)]
pub extern "C" fn plasma_rs_last_error_message() -> *const c_char {
    LAST_MESSAGE.try_with(|last| last.borrow().as_ptr()).unwrap_or(c"".as_ptr())
}

/// Why a call fails.
#[derive(Debug)]
pub(super) struct Failure {
    code: PlasmaRsError,
    message: String,
}

impl Failure {
    pub(super) fn new(code: PlasmaRsError, message: impl ToString) -> Self {
        Self { code, message: message.to_string() }
    }

    pub(super) fn argument(message: impl ToString) -> Self {
        Self::new(PlasmaRsInvalidArgument, message)
    }
}

impl From<PlasmaError> for Failure {
    fn from(error: PlasmaError) -> Self {
        let (code, message) = match error {
            PlasmaError::ObjectExists => (PlasmaRsObjectExists, "there is an object of this id"),
            PlasmaError::ObjectNonexistent => {
                (PlasmaRsObjectNonexistent, "there is no object of this id")
            }
            PlasmaError::OutOfMemory => (PlasmaRsOutOfMemory, "no memory for the object"),
            PlasmaError::ObjectNotSealed => {
                (PlasmaRsObjectNotSealed, "the object is not sealed yet")
            }
            PlasmaError::ObjectInUse => (PlasmaRsObjectInUse, "the object is referenced"),
            PlasmaError::ObjectSealed => (PlasmaRsObjectSealed, "the object is sealed already"),
            PlasmaError::OutOfDisk => (PlasmaRsOutOfDisk, "no space in the fallback directory"),
            PlasmaError::Ok | PlasmaError::UnexpectedError => (PlasmaRsInternal, "unexpected"),
        };
        Self::new(code, message)
    }
}

thread_local! {
    static CALLS: Cell<u32> = const { Cell::new(0) };
}

/// Whether this thread is inside a C call, which catches panics and so must not end the process on one.
pub(crate) fn catches_panics() -> bool {
    CALLS.try_with(|calls| calls.get() > 0).unwrap_or(false)
}

/// Runs the body of an exported function: nothing unwinds out of it, and a failure leaves its message.
pub(super) fn guarded(work: impl FnOnce() -> Result<(), Failure>) -> PlasmaRsError {
    let enter =
        |change: i32| CALLS.try_with(|calls| calls.set(calls.get().wrapping_add_signed(change)));
    let counted = enter(1).is_ok();
    let result = catch_unwind(AssertUnwindSafe(work));
    if counted {
        let _ = enter(-1);
    }
    let result = result.unwrap_or_else(|payload| {
        Err(Failure::new(PlasmaRsInternal, format!("internal error: {}", text_of(&*payload))))
    });
    match result {
        Ok(()) => PlasmaRsOk,
        Err(failure) => {
            remember(failure.message);
            failure.code
        }
    }
}

fn text_of(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("a panic without a message")
}

fn remember(message: String) {
    let text = CString::new(message.replace('\0', " ")).unwrap_or_default();
    // A thread that is ending has no place for it any more.
    let _ = LAST_MESSAGE.try_with(|last| last.replace(text));
}

/// Locks what a handle stands for, unless a call has panicked in the middle of changing it.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> Result<MutexGuard<'_, T>, Failure> {
    mutex.lock().map_err(|_| {
        Failure::new(PlasmaRsInternal, "an earlier call on this handle ended in an internal error")
    })
}

/// What a pointer from C points to.
///
/// # Safety
/// The pointer is null or valid as the header's preamble says.
pub(super) unsafe fn required<'a, T>(pointer: *const T, name: &str) -> Result<&'a T, Failure> {
    // SAFETY: the caller vouches for the pointer.
    unsafe { pointer.as_ref() }.ok_or_else(|| Failure::argument(format!("{name} is null")))
}

/// A place for a result. Looked at before anything is done, so that nothing is done for nobody.
pub(super) struct Out<T>(std::ptr::NonNull<T>);

impl<T> Out<T> {
    pub(super) fn new(pointer: *mut T, name: &str) -> Result<Self, Failure> {
        std::ptr::NonNull::new(pointer)
            .map(Self)
            .ok_or_else(|| Failure::argument(format!("{name} is null")))
    }

    /// # Safety
    /// The pointer is valid for writing, as the header's preamble says.
    pub(super) unsafe fn write(self, value: T) {
        // SAFETY: the caller vouches for the pointer.
        unsafe { self.0.as_ptr().write(value) }
    }

    /// # Safety
    /// There is room for as many values, as the header says.
    pub(super) unsafe fn write_all(self, values: &[T])
    where
        T: Copy,
    {
        // SAFETY: the caller vouches for the pointer; nobody else knows of `values`.
        unsafe { values.as_ptr().copy_to_nonoverlapping(self.0.as_ptr(), values.len()) }
    }
}

/// Takes a handle back from C and drops it.
///
/// # Safety
/// The pointer is null, or came from a `Box` and is not used again.
pub(super) unsafe fn destroy<T>(handle: *mut T) {
    if !handle.is_null() {
        guarded(|| {
            // SAFETY: the caller vouches for the pointer.
            drop(unsafe { Box::from_raw(handle) });
            Ok(())
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last_message() -> String {
        // SAFETY: the text is valid until the next failure of this thread.
        unsafe { CStr::from_ptr(plasma_rs_last_error_message()) }.to_string_lossy().into_owned()
    }

    #[test]
    fn a_panic_becomes_an_error_and_poisons_the_handle() {
        let handle = Mutex::new(1);
        let broken = guarded(|| {
            let _locked = lock(&handle)?;
            panic!("half\0done")
        });
        assert_eq!(broken, PlasmaRsInternal);
        assert_eq!(last_message(), "internal error: half done");
        assert_eq!(guarded(|| lock(&handle).map(drop)), PlasmaRsInternal);
        assert!(last_message().starts_with("an earlier call"));
    }

    #[test]
    fn every_number_has_its_name() {
        for (code, name) in NAMES {
            // SAFETY: the name is a constant.
            assert_eq!(unsafe { CStr::from_ptr(plasma_rs_error_name(code as i32)) }, name);
        }
        // SAFETY: as above.
        let other = unsafe { CStr::from_ptr(plasma_rs_error_name(6)) };
        assert_eq!(other, c"unknown error");
    }
}
