//! Shared memory on its own.

use std::sync::Mutex;

use ray_object_manager::plasma::allocator::{AllocError, Allocation, Allocator, FreeError, MemFd};
use ray_object_manager::plasma::plasma_allocator::{InitError, PlasmaAllocator};

use super::guard::{destroy, guarded, lock, required, Failure, Out, PlasmaRsError};
use super::types::{occupancy, PlasmaRsAllocation, PlasmaRsMemory, PlasmaRsOptions};

/// Gives out pieces of one shared file, and files of their own on disk when asked to.
pub struct PlasmaRsAllocator(Mutex<PlasmaAllocator>);

impl From<InitError> for Failure {
    fn from(error: InitError) -> Self {
        let code = match error {
            InitError::LimitTooSmall { .. } => PlasmaRsError::PlasmaRsInvalidArgument,
            InitError::Directory { .. } => PlasmaRsError::PlasmaRsInitFailed,
        };
        Self::new(code, error)
    }
}

impl From<AllocError> for Failure {
    fn from(error: AllocError) -> Self {
        let code = match error {
            AllocError::OutOfSpace { .. } => PlasmaRsError::PlasmaRsOutOfDisk,
            AllocError::OutOfMemory { .. } | AllocError::TooLarge { .. } => {
                PlasmaRsError::PlasmaRsOutOfMemory
            }
        };
        Self::new(code, error)
    }
}

impl From<FreeError> for Failure {
    fn from(error: FreeError) -> Self {
        let code = match error {
            FreeError::Null => PlasmaRsError::PlasmaRsInvalidArgument,
            FreeError::NotAllocated(_) => PlasmaRsError::PlasmaRsNotAllocated,
        };
        Self::new(code, error)
    }
}

/// Makes an allocator, which `plasma_rs_allocator_destroy` takes back.
///
/// Errors: PLASMA_RS_INVALID_ARGUMENT when the limit is 2048 bytes or less; PLASMA_RS_INIT_FAILED when the
/// plasma directory is missing, read-only or, with `preallocate`, has too little space.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn plasma_rs_allocator_create(
    options: *const PlasmaRsOptions,
    allocator: *mut *mut PlasmaRsAllocator,
) -> PlasmaRsError {
    guarded(|| {
        let out = Out::new(allocator, "allocator")?;
        // SAFETY: the header asks for valid pointers.
        let config = unsafe { required(options, "options")?.config() }?;
        crate::logging::connect();
        let handle = PlasmaRsAllocator(Mutex::new(PlasmaAllocator::new(config)?));
        // SAFETY: as above.
        unsafe { out.write(Box::into_raw(Box::new(handle))) };
        Ok(())
    })
}

/// Unmaps and closes everything. Its allocations are gone then. Null is nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn plasma_rs_allocator_destroy(allocator: *mut PlasmaRsAllocator) {
    // SAFETY: the header asks for a handle that is not used again.
    unsafe { destroy(allocator) }
}

/// Allocates `size` bytes in the primary region, in constant time. `plasma_rs_allocator_free` takes them
/// back. 0 bytes get an address of their own.
///
/// Errors: PLASMA_RS_OUT_OF_MEMORY when no free piece is large enough; PLASMA_RS_OUT_OF_DISK when the plasma
/// directory is full.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn plasma_rs_allocator_allocate(
    allocator: *mut PlasmaRsAllocator,
    size: usize,
    allocation: *mut PlasmaRsAllocation,
) -> PlasmaRsError {
    // SAFETY: the header asks for valid pointers.
    unsafe { allocate(allocator, allocation, |allocator| allocator.allocate(size)) }
}

/// As `plasma_rs_allocator_allocate`; when there is no room, in a new file in the fallback directory.
///
/// Errors: PLASMA_RS_OUT_OF_DISK when there is no space for the file either; PLASMA_RS_OUT_OF_MEMORY when
/// the size is more than any mapping could have.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn plasma_rs_allocator_fallback_allocate(
    allocator: *mut PlasmaRsAllocator,
    size: usize,
    allocation: *mut PlasmaRsAllocation,
) -> PlasmaRsError {
    // SAFETY: the header asks for valid pointers.
    unsafe { allocate(allocator, allocation, |allocator| allocator.fallback_allocate(size)) }
}

unsafe fn allocate(
    allocator: *mut PlasmaRsAllocator,
    allocation: *mut PlasmaRsAllocation,
    work: impl FnOnce(&mut PlasmaAllocator) -> Result<Allocation, AllocError>,
) -> PlasmaRsError {
    guarded(|| {
        let out = Out::new(allocation, "allocation")?;
        // SAFETY: the header asks for valid pointers.
        let handle = unsafe { required(allocator, "allocator") }?;
        let done = work(&mut *lock(&handle.0)?)?;
        // SAFETY: as above.
        unsafe { out.write((&done).into()) };
        Ok(())
    })
}

/// Takes the memory back that begins at `address`.
///
/// Errors: PLASMA_RS_NOT_ALLOCATED when no live allocation of this allocator begins there, because it is
/// another's or was freed before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn plasma_rs_allocator_free(
    allocator: *mut PlasmaRsAllocator,
    address: *mut u8,
) -> PlasmaRsError {
    guarded(|| {
        // SAFETY: the header asks for valid pointers. The address is only compared.
        let handle = unsafe { required(allocator, "allocator") }?;
        let allocation = Allocation {
            address,
            size: 0,
            fd: MemFd::INVALID,
            offset: 0,
            device_num: 0,
            mmap_size: 0,
            fallback_allocated: false,
            number: 0,
        };
        Ok(lock(&handle.0)?.free(allocation)?)
    })
}

/// How much memory there is and is in use, in constant time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn plasma_rs_allocator_memory(
    allocator: *const PlasmaRsAllocator,
    memory: *mut PlasmaRsMemory,
) -> PlasmaRsError {
    guarded(|| {
        let out = Out::new(memory, "memory")?;
        // SAFETY: the header asks for valid pointers.
        let handle = unsafe { required(allocator, "allocator") }?;
        let now = PlasmaRsMemory::from(&*lock(&handle.0)?);
        // SAFETY: as above.
        unsafe { out.write(now) };
        Ok(())
    })
}

/// How full the primary region is: it is cut into `buckets` equal parts, and the used part of each, from 0
/// to 1, is written to `fractions`, which has room for as many. Takes time for each live allocation.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn plasma_rs_allocator_occupancy(
    allocator: *const PlasmaRsAllocator,
    fractions: *mut f64,
    buckets: usize,
) -> PlasmaRsError {
    guarded(|| {
        let out = Out::new(fractions, "fractions")?;
        // SAFETY: the header asks for valid pointers.
        let handle = unsafe { required(allocator, "allocator") }?;
        let locked = lock(&handle.0)?;
        // SAFETY: as above.
        unsafe { occupancy(&locked, out, buckets) }
    })
}
