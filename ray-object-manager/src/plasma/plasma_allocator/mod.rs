//! Ray's `PlasmaAllocator`: objects' memory from one shared file, and from files on disk when it is full.

mod ahead;
mod annex;
mod fallback;
mod holes;
mod region;

use std::io;
use std::path::{Path, PathBuf};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::Arc;

use ray_sys::MappingOptions;

pub use region::{AddressesOnly, FileRegion, Region};

use super::allocator::{AllocError, Allocation, Allocator, FreeError};
use super::free_space::{FreeSpace, Taken, GRANULE};
use annex::Lending;
use fallback::FallbackFiles;

/// A primary region must be larger than this many bytes, as Ray asks.
pub const MIN_FOOTPRINT_LIMIT: i64 = 2048;

/// Largest request that a mapping could hold, with room to round it up to pages of any size.
const LARGEST_REQUEST: usize = isize::MAX.unsigned_abs() - (1 << 30);

/// What a [`PlasmaAllocator`] is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlasmaAllocatorConfig {
    /// Where the file of the primary region lies, usually `/dev/shm`.
    pub plasma_directory: PathBuf,
    /// Where fallback files lie, on a disk. It is not looked at before the first of them.
    pub fallback_directory: PathBuf,
    /// Bytes of the primary region; more than [`MIN_FOOTPRINT_LIMIT`].
    pub footprint_limit: i64,
    /// Use huge pages for the primary region if there are any.
    pub hugepage_enabled: bool,
    /// Reserve the whole primary region and set up its pages at the start.
    pub preallocate: bool,
    /// Leave all mappings out of core dumps.
    pub exclude_from_core_dump: bool,
}

/// Why there is no allocator.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// The limit is too small, or negative.
    #[error("Footprint limit has to be greater than {MIN_FOOTPRINT_LIMIT}, it is {limit}")]
    LimitTooSmall {
        /// The limit.
        limit: i64,
    },
    /// The operating system refused the file of the primary region.
    #[error(
        "cannot set up a primary region of {limit} bytes in {}: {source}; is the directory there, \
         may it be written, and has it enough space?",
        directory.display()
    )]
    Directory {
        /// The plasma directory.
        directory: PathBuf,
        /// The footprint limit.
        limit: i64,
        /// What the operating system said.
        source: io::Error,
    },
}

/// Gives out memory of a primary region, and of fallback files when asked to.
///
/// Not thread-safe, except for the counter that [`Self::fallback_counter`] hands out. Its
/// bookkeeping lies in memory of its own: who writes beyond an object damages other objects, never it.
/// Several can live in one process.
#[derive(Debug)]
pub struct PlasmaAllocator<R = FileRegion> {
    region: R,
    space: FreeSpace,
    lending: Lending<R>,
    footprint_limit: i64,
    /// Bytes in live allocations of the primary region and its annex, as they were asked for.
    primary_allocated: i64,
    fallback: FallbackFiles,
}

impl PlasmaAllocator {
    /// Creates and maps the primary region.
    ///
    /// # Errors
    /// When the limit is too small, or the plasma directory is missing, read-only or (with
    /// `preallocate`) has too little space.
    pub fn new(config: PlasmaAllocatorConfig) -> Result<Self, InitError> {
        let limit = config.footprint_limit;
        let usable = usable(limit)?;
        let options = MappingOptions {
            huge_pages: config.hugepage_enabled,
            reserve: config.preallocate,
            populate: config.preallocate,
            exclude_from_core_dump: config.exclude_from_core_dump,
        };
        match FileRegion::new(&config.plasma_directory, usable, options) {
            Ok(region) => Self::with_region(region, config),
            Err(source) => {
                Err(InitError::Directory { directory: config.plasma_directory, limit, source })
            }
        }
    }
}

/// Memory of the primary region or its annex.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// Its first byte.
    pub address: NonNull<u8>,
    /// Where [`PlasmaAllocator::free_piece`] looks for it first; 0 when nothing is known of that.
    pub number: u32,
}

/// Why the primary region has no room, in what fits two registers.
enum Refused {
    TooLarge,
    OutOfMemory,
    OutOfSpace(io::Error),
}

/// Bytes of a region that can be given out.
fn usable(limit: i64) -> Result<usize, InitError> {
    let too_small = InitError::LimitTooSmall { limit };
    match usize::try_from(limit) {
        Ok(bytes) if limit > MIN_FOOTPRINT_LIMIT => Ok(bytes / GRANULE * GRANULE),
        _ => Err(too_small),
    }
}

impl<R: Region> PlasmaAllocator<R> {
    /// An allocator over some other primary region, which takes the place of what `config` says
    /// about one, except for the limit.
    ///
    /// # Errors
    /// When the limit is too small.
    pub fn with_region(region: R, config: PlasmaAllocatorConfig) -> Result<Self, InitError> {
        let size = usable(config.footprint_limit)?.min(region.usable());
        Ok(Self {
            space: FreeSpace::new((size / GRANULE) as u64),
            lending: Lending::of(&region),
            region,
            footprint_limit: config.footprint_limit,
            primary_allocated: 0,
            fallback: FallbackFiles::new(config.fallback_directory, config.exclude_from_core_dump),
        })
    }

    /// Bytes in fallback files, kept current while other threads read it.
    #[must_use]
    pub fn fallback_counter(&self) -> Arc<AtomicI64> {
        Arc::clone(self.fallback.allocated())
    }

    /// The primary region.
    #[must_use]
    pub fn region(&self) -> &R {
        &self.region
    }

    /// Its annex, if there is one: where allocations lie that found room only in pieces.
    #[must_use]
    pub fn annex(&self) -> Option<&R> {
        self.lending.annex().map(|annex| &annex.region)
    }

    /// The part in use, from 0 to 1, of each of so many equal parts of the primary region. Linear
    /// in the number of allocations.
    #[must_use]
    pub fn occupancy(&self, buckets: usize) -> Vec<f64> {
        self.space.occupancy(buckets)
    }

    /// Bytes of the limit that are free, in whatever pieces.
    #[must_use]
    pub fn free_bytes(&self) -> usize {
        bytes(self.space.free_granules()).saturating_sub(self.lending.lent())
    }

    /// Bytes of the largest free piece of the primary region. Linear in the number of allocations. A larger request than
    /// this can find room in the annex.
    #[must_use]
    pub fn largest_free_block(&self) -> usize {
        bytes(self.space.largest_free())
    }

    /// Live allocations of either kind.
    #[must_use]
    pub fn num_live(&self) -> usize {
        let in_annex = self.lending.annex().map_or(0, |annex| annex.space.num_live());
        self.space.num_live() + in_annex + self.fallback.len()
    }

    /// Bytes in allocations that found room only in the annex: what is free was enough, but lay in pieces. Whole pages.
    #[must_use]
    pub fn annex_bytes(&self) -> usize {
        self.lending.lent()
    }

    /// Bytes of the primary region and its annex for which the operating system has promised space.
    #[must_use]
    pub fn reserved_bytes(&self) -> usize {
        self.region.reserved().saturating_add_signed(self.lending.reserved_difference())
    }

    /// Bytes of memory that the bookkeeping of the primary region and its annex takes at present.
    #[must_use]
    pub fn bookkeeping_bytes(&self) -> usize {
        self.space.footprint() + self.lending.annex().map_or(0, |annex| annex.space.footprint())
    }

    /// Compares every structure of the allocator with every other. Linear; for tests.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check_invariants(&self) -> Result<(), String> {
        self.space.check()?;
        self.fallback.check()?;
        self.lending.check(&self.region, &self.space)?;
        let live: u64 =
            self.space.pieces().filter(|piece| piece.live).map(|piece| piece.size).sum();
        let live = signed(bytes(live).saturating_add(self.lending.lent()));
        if self.primary_allocated < 0 || self.primary_allocated > live {
            return Err(format!("{} bytes counted, {live} are live", self.primary_allocated));
        }
        let last = self.space.pieces().filter(|piece| piece.live).last();
        if last.is_some_and(|last| bytes(last.offset + last.size) > self.region.reserved()) {
            return Err("a live allocation has no space behind it".to_owned());
        }
        Ok(())
    }

    /// Memory of the primary region that was freed a moment ago, if there is some of just this size. What it has in
    /// common with all others of the region says [`Region::record`]; [`Self::free_piece`] takes it back.
    #[inline(always)]
    pub fn allocate_quickly(&mut self, requested: usize) -> Option<Piece> {
        self.place_quickly(requested).map(|taken| self.piece(taken))
    }

    /// As [`Self::allocate_quickly`], for who does not know what all memory of the region has in common.
    #[inline(always)]
    pub fn allocate_whole_quickly(&mut self, requested: usize) -> Option<Allocation> {
        self.place_quickly(requested).map(|taken| allocation(&self.region, taken, requested))
    }

    /// As [`Allocator::allocate`], for who knows what all memory of the region has in common, and of its annex.
    ///
    /// # Errors
    /// As there.
    pub fn allocate_piece(&mut self, requested: usize) -> Result<Piece, AllocError> {
        match self.place(requested) {
            Ok(taken) => Ok(self.piece(taken)),
            Err(refused) => {
                let allocation = self.allocate_otherwise(requested, refused)?;
                let address = NonNull::new(allocation.address).unwrap_or(NonNull::dangling());
                Ok(Piece { address, number: 0 })
            }
        }
    }

    /// Takes back the memory of either kind that begins at `address`.
    ///
    /// # Errors
    /// When no live allocation begins there; nothing has changed then.
    #[inline(always)]
    pub fn free_address(&mut self, address: usize) -> Result<(), FreeError> {
        self.free_piece(address, 0)
    }

    /// As [`Self::free_address`], sooner when the number is that of the [`Piece`]. It may be any.
    ///
    /// # Errors
    /// As there.
    #[inline(always)]
    pub fn free_piece(&mut self, address: usize, number: u32) -> Result<(), FreeError> {
        let offset = address.wrapping_sub(self.region.base() as usize);
        if offset >= self.region.usable() {
            return self.free_elsewhere(address);
        }
        let whole = offset.is_multiple_of(GRANULE);
        let piece = Taken { offset: (offset / GRANULE) as u64, number };
        let size = whole.then(|| self.space.release_numbered(piece)).flatten();
        self.primary_allocated -= signed(size.ok_or(FreeError::NotAllocated(address))?);
        Ok(())
    }

    /// Finds and takes room in the primary region.
    #[inline(always)]
    fn place(&mut self, requested: usize) -> Result<Taken, Refused> {
        match self.place_quickly(requested) {
            Some(taken) => Ok(taken),
            None => self.place_merged(requested),
        }
    }

    /// Room that was freed a moment ago, and has space behind it.
    #[inline(always)]
    fn place_quickly(&mut self, requested: usize) -> Option<Taken> {
        let taken = self.space.take_quick(requested)?;
        self.primary_allocated += signed(requested);
        Some(taken)
    }

    fn place_merged(&mut self, requested: usize) -> Result<Taken, Refused> {
        if requested > LARGEST_REQUEST {
            return Err(Refused::TooLarge);
        }
        let fit = self.space.find(requested).ok_or(Refused::OutOfMemory)?;
        let part = bytes(fit.offset)..bytes(fit.end());
        self.region.reserve_to(part.end).map_err(Refused::OutOfSpace)?;
        if !self.lending.is_unused() {
            self.lending.restore(&mut self.region, &self.space, part)?;
        }
        let taken = self.space.take(fit, requested);
        self.primary_allocated += signed(requested);
        Ok(taken)
    }

    #[inline(always)]
    fn piece(&self, taken: Taken) -> Piece {
        let address = self.region.base().wrapping_add(bytes(taken.offset));
        Piece {
            address: NonNull::new(address).unwrap_or(NonNull::dangling()),
            number: taken.number,
        }
    }

    #[cold]
    fn refusal(&self, requested: usize, refused: Refused) -> AllocError {
        match refused {
            Refused::TooLarge => AllocError::TooLarge { requested },
            Refused::OutOfMemory => AllocError::OutOfMemory { requested },
            Refused::OutOfSpace(source) => out_of_space(requested, self.region.directory(), source),
        }
    }

    fn allocate_primary(&mut self, requested: usize) -> Result<Allocation, AllocError> {
        match self.place(requested) {
            Ok(taken) => Ok(allocation(&self.region, taken, requested)),
            Err(refused) => self.allocate_otherwise(requested, refused),
        }
    }

    #[cold]
    fn allocate_otherwise(
        &mut self,
        requested: usize,
        refused: Refused,
    ) -> Result<Allocation, AllocError> {
        match refused {
            Refused::OutOfMemory => self.allocate_in_annex(requested),
            refused => Err(self.refusal(requested, refused)),
        }
    }

    #[cold]
    fn allocate_in_annex(&mut self, requested: usize) -> Result<Allocation, AllocError> {
        // Small pieces may hold whole pages together, if they were not merged for want of a free piece already.
        if self.space.consolidate() > 0 {
            if let Ok(taken) = self.place_merged(requested) {
                return Ok(allocation(&self.region, taken, requested));
            }
        }
        let offset = self.lending.place(&mut self.region, &self.space, requested);
        let offset = offset.map_err(|refused| self.refusal(requested, refused))?;
        let taken = Taken { offset: (offset / GRANULE) as u64, number: 0 };
        let annex = self.lending.annex().ok_or(AllocError::OutOfMemory { requested })?;
        self.primary_allocated += signed(requested);
        Ok(allocation(&annex.region, taken, requested))
    }

    #[cold]
    fn free_elsewhere(&mut self, address: usize) -> Result<(), FreeError> {
        if address == 0 {
            return Err(FreeError::Null);
        }
        if let Some(requested) = self.lending.free(address) {
            self.primary_allocated -= signed(requested);
            return Ok(());
        }
        self.fallback.free(address).map(drop).ok_or(FreeError::NotAllocated(address))
    }

    #[cold]
    fn allocate_fallback(&mut self, requested: usize) -> Result<Allocation, AllocError> {
        if self.allocated().checked_add(signed(requested)).is_none() {
            return Err(AllocError::TooLarge { requested });
        }
        let done = self.fallback.allocate(requested);
        done.map_err(|source| out_of_space(requested, self.fallback.directory(), source))
    }
}

impl<R: Region> Allocator for PlasmaAllocator<R> {
    fn allocate(&mut self, bytes: usize) -> Result<Allocation, AllocError> {
        self.allocate_primary(bytes)
    }

    fn fallback_allocate(&mut self, bytes: usize) -> Result<Allocation, AllocError> {
        match self.allocate_primary(bytes) {
            Err(AllocError::OutOfMemory { .. } | AllocError::OutOfSpace { .. }) => {
                self.allocate_fallback(bytes)
            }
            done => done,
        }
    }

    fn free(&mut self, allocation: Allocation) -> Result<(), FreeError> {
        self.free_piece(allocation.address as usize, allocation.number)
    }

    #[inline]
    fn prefetch_free(&self, number: u32) {
        self.space.prefetch_release(number);
    }

    fn footprint_limit(&self) -> i64 {
        self.footprint_limit
    }

    fn allocated(&self) -> i64 {
        self.primary_allocated + self.fallback_allocated()
    }

    fn fallback_allocated(&self) -> i64 {
        self.fallback.allocated().load(Ordering::Relaxed)
    }
}

#[inline(always)]
fn allocation(region: &impl Region, taken: Taken, requested: usize) -> Allocation {
    let (record, offset) = (region.record(), bytes(taken.offset));
    Allocation {
        address: region.base().wrapping_add(offset),
        size: signed(requested),
        fd: record.fd,
        offset: offset.cast_signed(),
        device_num: 0,
        mmap_size: record.size,
        fallback_allocated: false,
        number: taken.number,
    }
}

fn out_of_space(requested: usize, directory: &Path, source: io::Error) -> AllocError {
    AllocError::OutOfSpace { requested, directory: directory.display().to_string(), source }
}

/// Granules of a mapped region, whose bytes a `usize` can always count.
fn bytes(granules: u64) -> usize {
    usize::try_from(granules).unwrap_or(usize::MAX).saturating_mul(GRANULE)
}

/// Sizes of allocations are at most [`LARGEST_REQUEST`].
fn signed(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
