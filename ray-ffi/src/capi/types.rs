//! What C sees of ids, memory, objects and counters.

use std::ffi::{c_char, CStr};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use ray_common::ObjectId;
use ray_object_manager::plasma::allocator::{Allocation, Allocator, MMAP_REGIONS_GAP};
use ray_object_manager::plasma::common::ObjectInfo;
use ray_object_manager::plasma::local_object::LocalObject;
use ray_object_manager::plasma::plasma_allocator::{PlasmaAllocator, PlasmaAllocatorConfig};
use ray_object_manager::plasma::stats_collector::{ObjectStatsCollector, Tally};

use super::guard::{required, Failure, Out};

/// What an allocator, or the allocator in a store, is made from. Start with `plasma_rs_default_options`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct PlasmaRsOptions {
    /// Where the file of the primary region lies; a tmpfs. The file has no name there.
    pub plasma_directory: *const c_char,
    /// Where fallback files lie; a disk. It is not looked at before the first of them.
    pub fallback_directory: *const c_char,
    /// Bytes of the primary region; more than 2048.
    pub footprint_limit: i64,
    /// Use huge pages for the primary region if there are any, else normal ones.
    pub hugepage_enabled: bool,
    /// Reserve the whole primary region and set up its pages at the start.
    pub preallocate: bool,
    /// Leave all mappings out of core dumps.
    pub exclude_from_core_dump: bool,
}

/// The options to start with: /dev/shm, /tmp, 64 MiB, normal pages, nothing set up ahead, no core dumps.
/// The texts are constant.
#[unsafe(no_mangle)]
pub extern "C" fn plasma_rs_default_options() -> PlasmaRsOptions {
    PlasmaRsOptions {
        plasma_directory: c"/dev/shm".as_ptr(),
        fallback_directory: c"/tmp".as_ptr(),
        footprint_limit: 64 << 20,
        hugepage_enabled: false,
        preallocate: false,
        exclude_from_core_dump: true,
    }
}

impl PlasmaRsOptions {
    /// # Safety
    /// The directories are null or valid texts.
    pub(super) unsafe fn config(&self) -> Result<PlasmaAllocatorConfig, Failure> {
        let path = |text: *const c_char, name| -> Result<PathBuf, Failure> {
            // SAFETY: the caller vouches for the texts.
            let text = unsafe { required(text, name).map(|_| CStr::from_ptr(text)) }?;
            Ok(PathBuf::from(std::ffi::OsStr::from_bytes(text.to_bytes())))
        };
        Ok(PlasmaAllocatorConfig {
            plasma_directory: path(self.plasma_directory, "plasma_directory")?,
            fallback_directory: path(self.fallback_directory, "fallback_directory")?,
            footprint_limit: self.footprint_limit,
            hugepage_enabled: self.hugepage_enabled,
            preallocate: self.preallocate,
            exclude_from_core_dump: self.exclude_from_core_dump,
        })
    }
}

/// A piece of shared memory. To use it in another process, send that the descriptor, and map `mapping_size`
/// bytes of it from 0 on: the piece begins `offset` bytes into that mapping.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct PlasmaRsAllocation {
    /// First byte in this process, a multiple of 64.
    pub address: *mut u8,
    /// Usable bytes, as they were asked for.
    pub size: i64,
    /// The file, which stays the library's. The one of the primary region is open as long as the
    /// allocator; one of a fallback file, as long as the allocation.
    pub fd: i32,
    /// Tells the file from any other that this process has had, even under the same number.
    pub unique_fd_id: i64,
    /// Position of the first byte in the file.
    pub offset: i64,
    /// Bytes of the file.
    pub mapping_size: i64,
    /// Whether the memory is a fallback file on disk.
    pub fallback_allocated: bool,
}

impl From<&Allocation> for PlasmaRsAllocation {
    fn from(allocation: &Allocation) -> Self {
        Self {
            address: allocation.address,
            size: allocation.size,
            fd: allocation.fd.fd,
            unique_fd_id: allocation.fd.unique_id,
            offset: allocation.offset as i64,
            mapping_size: allocation.mmap_size - MMAP_REGIONS_GAP,
            fallback_allocated: allocation.fallback_allocated,
        }
    }
}

/// How much memory an allocator has and has given out, in bytes unless it says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct PlasmaRsMemory {
    /// The primary region.
    pub footprint_limit: i64,
    /// Live allocations of either kind, as they were asked for.
    pub allocated: i64,
    /// The part of `allocated` that lies in fallback files.
    pub fallback_allocated: i64,
    /// What is free in the primary region, in whatever pieces.
    pub free_bytes: i64,
    /// How many allocations of either kind are live.
    pub num_live: i64,
}

impl From<&PlasmaAllocator> for PlasmaRsMemory {
    fn from(allocator: &PlasmaAllocator) -> Self {
        let signed = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        Self {
            footprint_limit: allocator.footprint_limit(),
            allocated: allocator.allocated(),
            fallback_allocated: allocator.fallback_allocated(),
            free_bytes: signed(allocator.free_bytes()),
            num_live: signed(allocator.num_live()),
        }
    }
}

/// Names an object: 28 bytes that mean nothing to the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct PlasmaRsObjectId {
    /// The bytes.
    pub bytes: [u8; 28],
}

impl PlasmaRsObjectId {
    pub(super) fn key(&self) -> ObjectId {
        ObjectId::from_bytes(self.bytes)
    }
}

/// An object at the moment of the call. The memory stays where it is until the object goes, which it does
/// not as long as it has a reference.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct PlasmaRsObject {
    /// The memory: the data, and right behind it the metadata.
    pub allocation: PlasmaRsAllocation,
    /// First byte of the data.
    pub data: *mut u8,
    /// Bytes of data.
    pub data_size: i64,
    /// First byte of the metadata.
    pub metadata: *mut u8,
    /// Bytes of metadata.
    pub metadata_size: i64,
    /// How many references it has.
    pub ref_count: i32,
    /// Whether it is sealed, and will not change any more.
    pub sealed: bool,
}

impl From<LocalObject<'_, ObjectInfo>> for PlasmaRsObject {
    fn from(object: LocalObject<'_, ObjectInfo>) -> Self {
        let allocation = object.allocation();
        let data = allocation.address;
        let data_bytes = usize::try_from(object.data_size()).unwrap_or(0);
        Self {
            allocation: (&allocation).into(),
            data,
            data_size: object.data_size(),
            metadata: data.wrapping_add(data_bytes),
            metadata_size: object.metadata_size(),
            ref_count: object.ref_count(),
            sealed: object.sealed(),
        }
    }
}

/// Objects and their bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct PlasmaRsTally {
    /// How many objects.
    pub objects: i64,
    /// How many bytes of data and metadata they have.
    pub bytes: i64,
}

impl From<Tally> for PlasmaRsTally {
    fn from(tally: Tally) -> Self {
        Self { objects: tally.objects, bytes: tally.bytes }
    }
}

/// What a store holds, by state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct PlasmaRsStats {
    /// Ever created.
    pub created_total: PlasmaRsTally,
    /// Still being written.
    pub unsealed: PlasmaRsTally,
    /// With references.
    pub in_use: PlasmaRsTally,
    /// Sealed and without references: these go when room is needed.
    pub evictable: PlasmaRsTally,
    /// Sealed, with exactly one reference.
    pub spillable: PlasmaRsTally,
    /// Bytes of the unsealed objects in fallback files.
    pub fallback_bytes_unsealed: i64,
    /// Bytes of the sealed objects in fallback files.
    pub fallback_bytes_sealed: i64,
}

impl From<&ObjectStatsCollector> for PlasmaRsStats {
    fn from(stats: &ObjectStatsCollector) -> Self {
        Self {
            created_total: stats.created_total.into(),
            unsealed: stats.unsealed.into(),
            in_use: stats.in_use.into(),
            evictable: stats.evictable.into(),
            spillable: stats.spillable.into(),
            fallback_bytes_unsealed: stats.bytes_at(true, false),
            fallback_bytes_sealed: stats.bytes_at(true, true),
        }
    }
}

/// Most parts into which a region is cut for [`occupancy`].
const MAX_BUCKETS: usize = 1 << 24;

/// Writes the used fraction of each of so many equal parts of the primary region.
///
/// # Safety
/// `fractions` has room for `buckets` numbers.
pub(super) unsafe fn occupancy(
    allocator: &PlasmaAllocator,
    fractions: Out<f64>,
    buckets: usize,
) -> Result<(), Failure> {
    if buckets > MAX_BUCKETS {
        return Err(Failure::argument(format!("more than {MAX_BUCKETS} buckets")));
    }
    // SAFETY: the caller vouches for the place.
    unsafe { fractions.write_all(&allocator.occupancy(buckets)) };
    Ok(())
}
