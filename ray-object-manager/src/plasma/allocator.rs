//! What an allocator of shared memory is, and what it hands out.

use std::ptr::NonNull;

/// A descriptor of a shared file and the id that tells it from an earlier file with the same number.
///
/// Layout of Ray's `MEMFD_TYPE`, a `std::pair<int, int64_t>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct MemFd {
    /// The descriptor; -1 when there is none.
    pub fd: i32,
    /// Unique in this process, from 1 upwards; 0 when there is none.
    pub unique_id: i64,
}

impl MemFd {
    /// No file.
    pub const INVALID: Self = Self { fd: -1, unique_id: 0 };
}

/// A piece of allocated shared memory, owned by whoever holds it until it is given back to its allocator.
///
/// Layout and field order of Ray's `plasma::Allocation`. It can be moved, not copied.
#[derive(Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Allocation {
    /// First byte in this process; null only in an allocation that a test made up.
    pub address: *mut u8,
    /// Usable bytes, as they were asked for.
    pub size: i64,
    /// The file in which the memory lies.
    pub fd: MemFd,
    /// Position of the first byte in that file.
    pub offset: isize,
    /// Always 0: main memory.
    pub device_num: i32,
    /// Size of the file's mapping, plus [`MMAP_REGIONS_GAP`], which a client takes off again.
    pub mmap_size: i64,
    /// Whether the memory lies in a file of its own in the fallback directory.
    pub fallback_allocated: bool,
    /// Not Ray's: where the allocator looks for it first when it is freed. 0 when nothing is known of that; wrong numbers do no harm.
    pub number: u32,
}

// SAFETY: an allocation names memory that it owns; nothing about it belongs to a thread.
unsafe impl Send for Allocation {}

impl Allocation {
    /// The first byte, when there is memory behind it.
    pub fn as_non_null(&self) -> Option<NonNull<u8>> {
        NonNull::new(self.address)
    }
}

/// Ray's clients map this much less than the `mmap_size` that they are told.
pub const MMAP_REGIONS_GAP: i64 = 8;

/// Every allocation begins at a multiple of this many bytes of its file and of its mapping.
pub const ALIGNMENT: usize = 64;

/// Why there is no memory.
#[derive(Debug, thiserror::Error)]
pub enum AllocError {
    /// No free piece of the primary region is large enough.
    #[error("no free piece of {requested} bytes in the primary region")]
    OutOfMemory {
        /// Bytes asked for.
        requested: usize,
    },
    /// The request is more than any mapping could hold.
    #[error("a request for {requested} bytes can never be served")]
    TooLarge {
        /// Bytes asked for.
        requested: usize,
    },
    /// The operating system refused space in the directory: it is full, gone, or may not be written.
    #[error("no space for {requested} bytes in {directory}: {source}")]
    OutOfSpace {
        /// Bytes asked for.
        requested: usize,
        /// Where they were to lie.
        directory: String,
        /// What the operating system said.
        source: std::io::Error,
    },
}

/// Why memory cannot be given back. The allocator and its counters are as they were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FreeError {
    /// The address is null.
    #[error("Cannot free the nullptr")]
    Null,
    /// No live allocation of this allocator begins there: it is another's, or was freed before.
    #[error("address {0:#x} is not the start of a live allocation of this allocator")]
    NotAllocated(usize),
}

/// Gives out and takes back shared memory. Not thread-safe.
pub trait Allocator {
    /// Memory from the primary region. A request for 0 bytes gets an address of its own.
    ///
    /// # Errors
    /// When there is no room; nothing has changed then.
    fn allocate(&mut self, bytes: usize) -> Result<Allocation, AllocError>;

    /// Memory from the primary region if it has room, else from a file of its own on disk, in which
    /// case [`Allocation::fallback_allocated`] is set.
    ///
    /// # Errors
    /// When the disk is full too; nothing has changed then.
    fn fallback_allocate(&mut self, bytes: usize) -> Result<Allocation, AllocError>;

    /// Takes memory back. Only the address counts; the number saves a search for it.
    ///
    /// # Errors
    /// When the address is not that of a live allocation; nothing has changed then.
    fn free(&mut self, allocation: Allocation) -> Result<(), FreeError>;

    /// The allocation of this number will be freed soon: what that needs may be fetched.
    fn prefetch_free(&self, _number: u32) {}

    /// Size of the primary region in bytes.
    fn footprint_limit(&self) -> i64;

    /// Bytes in live allocations of either kind, as they were asked for.
    fn allocated(&self) -> i64;

    /// The part of [`Self::allocated`] that lies in fallback files.
    fn fallback_allocated(&self) -> i64;
}
