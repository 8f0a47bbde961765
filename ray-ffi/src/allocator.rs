//! Behind `allocator.h`, `malloc.h` and `plasma_allocator.h`.

use std::cell::UnsafeCell;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::Arc;

use cxx::UniquePtr;
use ray_object_manager::plasma::allocator::{
    AllocError, Allocation, Allocator, FreeError, MemFd, ALIGNMENT,
};
use ray_object_manager::plasma::mappings;
use ray_object_manager::plasma::plasma_allocator::{
    Piece, PlasmaAllocator, PlasmaAllocatorConfig, Region,
};

use crate::logging;

/// The bridge.
#[cxx::bridge(namespace = "plasma_rs")]
pub mod ffi {
    /// `plasma::Allocation`, field by field.
    #[derive(Debug, Clone, Copy)]
    struct RawAllocation {
        address: usize,
        size: i64,
        fd: i32,
        unique_fd_id: i64,
        offset: isize,
        device_num: i32,
        mmap_size: i64,
        fallback_allocated: bool,
        number: u32,
    }

    /// What a `plasma::PlasmaAllocator` is made from. Directories are bytes, as the file system has them.
    #[derive(Debug, Clone)]
    struct AllocatorOptions {
        plasma_directory: Vec<u8>,
        fallback_directory: Vec<u8>,
        hugepage_enabled: bool,
        preallocate: bool,
        exclude_from_core_dump: bool,
        footprint_limit: i64,
    }

    /// An entry of `plasma::mmap_records`.
    #[derive(Debug, Clone, Copy)]
    struct RawMapping {
        address: usize,
        fd: i32,
        unique_fd_id: i64,
        size: i64,
    }

    unsafe extern "C++" {
        include!("plasma_rs/hooks.h");

        /// A `plasma::IAllocator` that is not ours.
        type AllocatorHook;

        fn allocate(&self, bytes: usize, fallback: bool, out: &mut RawAllocation) -> bool;
        fn free(&self, allocation: &RawAllocation);
        fn footprint_limit(&self) -> i64;
        fn allocated(&self) -> i64;
        fn fallback_allocated(&self) -> i64;
    }

    impl UniquePtr<AllocatorHook> {}

    extern "Rust" {
        type AllocatorHandle;

        fn allocator_new(options: &AllocatorOptions) -> Result<Box<AllocatorHandle>>;
        fn primary_region(self: &AllocatorHandle) -> RawAllocation;
        fn annex_region(self: &AllocatorHandle) -> RawAllocation;
        fn allocate(self: &AllocatorHandle, bytes: usize) -> u64;
        fn fallback_allocate(self: &AllocatorHandle, bytes: usize, out: &mut RawAllocation)
            -> bool;
        fn free(self: &AllocatorHandle, address: usize, number: u32) -> bool;
        fn why_not_freed(address: usize) -> String;
        fn footprint_limit(self: &AllocatorHandle) -> i64;
        fn allocated(self: &AllocatorHandle) -> i64;
        fn fallback_allocated(self: &AllocatorHandle) -> i64;
        fn occupancy(self: &AllocatorHandle, buckets: usize) -> Vec<f64>;

        fn find_mapping(address: usize, out: &mut RawMapping) -> bool;
        fn all_mappings() -> Vec<RawMapping>;
    }
}

/// A [`PlasmaAllocator`] for one C++ object. One thread at a time, except for the fallback counter.
pub struct AllocatorHandle {
    allocator: UnsafeCell<PlasmaAllocator>,
    footprint_limit: i64,
    fallback_allocated: Arc<AtomicI64>,
}

impl AllocatorHandle {
    fn with<R>(&self, work: impl FnOnce(&mut PlasmaAllocator) -> R) -> R {
        // SAFETY: as Ray's, the allocator belongs to one thread, and `work` never comes back to it.
        work(unsafe { &mut *self.allocator.get() })
    }

    /// An allocation of no bytes at the start of the primary region: what all its allocations have in common.
    fn primary_region(&self) -> ffi::RawAllocation {
        self.with(|allocator| start_of(allocator.region()))
    }

    /// As [`Self::primary_region`], of its annex. Only after an address outside the primary region was given out.
    #[cold]
    fn annex_region(&self) -> ffi::RawAllocation {
        self.with(|allocator| allocator.annex().map_or(NO_ALLOCATION, start_of))
    }

    /// A piece of the primary region or of its annex ([`packed`]), or 0. It comes back in a register: an [`Allocation`] would be written
    /// here, and read again in other words before it has left the processor.
    fn allocate(&self, bytes: usize) -> u64 {
        match self.with(|allocator| allocator.allocate_quickly(bytes)) {
            Some(piece) => packed(piece),
            None => self.allocate_slowly(bytes),
        }
    }

    #[inline(never)]
    fn allocate_slowly(&self, bytes: usize) -> u64 {
        let result = self.with(|allocator| allocator.allocate_piece(bytes)).inspect_err(report);
        let Ok(piece) = result else { return 0 };
        if packed(piece) >> NUMBER_BITS == piece.address.as_ptr() as u64 / ALIGNMENT as u64 {
            return packed(piece);
        }
        log::error!("memory at {:?} is beyond the addresses that can be told of", piece.address);
        let address = piece.address.as_ptr() as usize;
        if let Err(error) = self.with(|allocator| allocator.free_address(address)) {
            log::error!("{error}");
        }
        0
    }

    fn fallback_allocate(&self, bytes: usize, out: &mut ffi::RawAllocation) -> bool {
        let result = self.with(|allocator| allocator.fallback_allocate(bytes));
        result.inspect_err(report).map(|allocation| *out = raw(&allocation)).is_ok()
    }

    /// Whether there was a live allocation at `address`, which is free now. [`why_not_freed`] has the words for it.
    fn free(&self, address: usize, number: u32) -> bool {
        self.with(|allocator| allocator.free_piece(address, number)).is_ok()
    }

    fn footprint_limit(&self) -> i64 {
        self.footprint_limit
    }

    fn allocated(&self) -> i64 {
        self.with(|allocator| allocator.allocated())
    }

    fn fallback_allocated(&self) -> i64 {
        self.fallback_allocated.load(Ordering::Relaxed)
    }

    fn occupancy(&self, buckets: usize) -> Vec<f64> {
        self.with(|allocator| allocator.occupancy(buckets))
    }
}

/// Bits of a packed piece that have its number: those that an address of 48 bits leaves free. `PlasmaAllocator::Allocate` in plasma_allocator.cc takes them
/// apart by the same number.
const NUMBER_BITS: u32 = 16 + ALIGNMENT.trailing_zeros();

/// Address and number. A number that does not fit is cut off; it is only where the piece is looked for first.
#[inline(always)]
fn packed(piece: Piece) -> u64 {
    let number = u64::from(piece.number) & ((1 << NUMBER_BITS) - 1);
    (piece.address.as_ptr() as u64) << 16 | number
}

/// An allocation of no bytes at the start of a region.
fn start_of(region: &impl Region) -> ffi::RawAllocation {
    let record = region.record();
    ffi::RawAllocation {
        address: region.base() as usize,
        fd: record.fd.fd,
        unique_fd_id: record.fd.unique_id,
        mmap_size: record.size,
        ..NO_ALLOCATION
    }
}

fn why_not_freed(address: usize) -> String {
    let error = if address == 0 { FreeError::Null } else { FreeError::NotAllocated(address) };
    error.to_string()
}

#[cold]
fn report(error: &AllocError) {
    match error {
        AllocError::OutOfSpace { .. } => log::error!("{error}"),
        _ => log::debug!("{error}"),
    }
}

fn allocator_new(options: &ffi::AllocatorOptions) -> Result<Box<AllocatorHandle>, String> {
    logging::connect();
    let allocator = PlasmaAllocator::new(PlasmaAllocatorConfig {
        plasma_directory: path(&options.plasma_directory),
        fallback_directory: path(&options.fallback_directory),
        footprint_limit: options.footprint_limit,
        hugepage_enabled: options.hugepage_enabled,
        preallocate: options.preallocate,
        exclude_from_core_dump: options.exclude_from_core_dump,
    })
    .map_err(|error| error.to_string())?;
    Ok(Box::new(AllocatorHandle {
        footprint_limit: allocator.footprint_limit(),
        fallback_allocated: allocator.fallback_counter(),
        allocator: UnsafeCell::new(allocator),
    }))
}

fn path(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    PathBuf::from(std::ffi::OsStr::from_bytes(bytes))
}

fn raw(allocation: &Allocation) -> ffi::RawAllocation {
    ffi::RawAllocation {
        address: allocation.address as usize,
        size: allocation.size,
        fd: allocation.fd.fd,
        unique_fd_id: allocation.fd.unique_id,
        offset: allocation.offset,
        device_num: allocation.device_num,
        mmap_size: allocation.mmap_size,
        fallback_allocated: allocation.fallback_allocated,
        number: allocation.number,
    }
}

fn cooked(raw: &ffi::RawAllocation) -> Allocation {
    Allocation {
        address: raw.address as *mut u8,
        size: raw.size,
        fd: MemFd { fd: raw.fd, unique_id: raw.unique_fd_id },
        offset: raw.offset,
        device_num: raw.device_num,
        mmap_size: raw.mmap_size,
        fallback_allocated: raw.fallback_allocated,
        number: raw.number,
    }
}

const NO_ALLOCATION: ffi::RawAllocation = ffi::RawAllocation {
    address: 0,
    size: 0,
    fd: -1,
    unique_fd_id: 0,
    offset: 0,
    device_num: 0,
    mmap_size: 0,
    fallback_allocated: false,
    number: 0,
};

fn find_mapping(address: usize, out: &mut ffi::RawMapping) -> bool {
    let found = mappings::find(address).map(|(base, record)| raw_mapping(base, &record));
    found.map(|mapping| *out = mapping).is_some()
}

fn all_mappings() -> Vec<ffi::RawMapping> {
    mappings::all().iter().map(|(base, record)| raw_mapping(*base, record)).collect()
}

fn raw_mapping(address: usize, record: &mappings::MmapRecord) -> ffi::RawMapping {
    ffi::RawMapping {
        address,
        fd: record.fd.fd,
        unique_fd_id: record.fd.unique_id,
        size: record.size,
    }
}

/// The allocator under a store: ours, which is called directly, or one from C++.
pub enum AllocatorRef {
    /// A `plasma::PlasmaAllocator`, which outlives the store.
    Ours(*const AllocatorHandle),
    /// Any other `plasma::IAllocator`.
    Foreign(UniquePtr<ffi::AllocatorHook>),
}

impl AllocatorRef {
    #[inline(never)]
    fn allocate_from(&self, bytes: usize, fallback: bool) -> Result<Allocation, AllocError> {
        match self {
            Self::Ours(_) if fallback => self.ours(|allocator| allocator.fallback_allocate(bytes)),
            Self::Ours(_) => self.ours(|allocator| allocator.allocate(bytes)),
            Self::Foreign(hook) => {
                let mut out = NO_ALLOCATION;
                match hook.allocate(bytes, fallback, &mut out) {
                    true => Ok(cooked(&out)),
                    false => Err(AllocError::OutOfMemory { requested: bytes }),
                }
            }
        }
        .inspect_err(report)
    }

    fn ours<R>(&self, work: impl FnOnce(&mut PlasmaAllocator) -> R) -> R {
        match self {
            // SAFETY: C++ keeps an allocator alive as long as the stores over it.
            Self::Ours(handle) => unsafe { &**handle }.with(work),
            Self::Foreign(_) => unreachable!("only asked of our own"),
        }
    }
}

impl Allocator for AllocatorRef {
    #[inline]
    fn allocate(&mut self, bytes: usize) -> Result<Allocation, AllocError> {
        if let Self::Ours(_) = self {
            // Written where it is to be: what was written in small pieces a moment ago is slow to copy.
            let quick = self.ours(|allocator| allocator.allocate_whole_quickly(bytes));
            if let Some(allocation) = quick {
                return Ok(allocation);
            }
        }
        self.allocate_from(bytes, false)
    }

    fn fallback_allocate(&mut self, bytes: usize) -> Result<Allocation, AllocError> {
        self.allocate_from(bytes, true)
    }

    fn free(&mut self, allocation: Allocation) -> Result<(), FreeError> {
        match self {
            Self::Ours(_) => self.ours(|allocator| allocator.free(allocation)),
            Self::Foreign(hook) => {
                hook.free(&raw(&allocation));
                Ok(())
            }
        }
    }

    #[inline]
    fn prefetch_free(&self, number: u32) {
        if let Self::Ours(_) = self {
            self.ours(|allocator| allocator.prefetch_free(number));
        }
    }

    fn footprint_limit(&self) -> i64 {
        match self {
            Self::Ours(_) => self.ours(|allocator| allocator.footprint_limit()),
            Self::Foreign(hook) => hook.footprint_limit(),
        }
    }

    fn allocated(&self) -> i64 {
        match self {
            Self::Ours(_) => self.ours(|allocator| allocator.allocated()),
            Self::Foreign(hook) => hook.allocated(),
        }
    }

    fn fallback_allocated(&self) -> i64 {
        match self {
            Self::Ours(_) => self.ours(|allocator| allocator.fallback_allocated()),
            Self::Foreign(hook) => hook.fallback_allocated(),
        }
    }
}
