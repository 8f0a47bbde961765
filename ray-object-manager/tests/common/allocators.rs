//! Allocators for tests: one that only counts, and one that watches another.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};

use ray_object_manager::plasma::allocator::{
    AllocError, Allocation, Allocator, FreeError, MemFd, ALIGNMENT,
};
use ray_object_manager::plasma::object_header::PlasmaObjectHeader;
use ray_object_manager::plasma::plasma_allocator::{PlasmaAllocator, PlasmaAllocatorConfig};

/// A request to an allocator, and how it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) fallback: bool,
    pub(crate) size: i64,
    pub(crate) served: Option<Served>,
}

/// Where an allocation lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Served {
    Primary,
    File,
}

/// Records what is asked of an allocator, and checks what it gives.
pub(crate) struct Watched<A> {
    pub(crate) inner: A,
    requests: RefCell<VecDeque<Request>>,
    /// Live allocations: size by file and offset.
    live: BTreeMap<(i64, isize), i64>,
}

impl<A: Allocator> Watched<A> {
    pub(crate) fn new(inner: A) -> Self {
        Self { inner, requests: RefCell::default(), live: BTreeMap::new() }
    }

    /// The oldest request that was not taken yet.
    pub(crate) fn next_request(&self) -> Option<Request> {
        self.requests.borrow_mut().pop_front()
    }

    pub(crate) fn num_live(&self) -> usize {
        self.live.len()
    }

    fn watch(
        &mut self,
        fallback: bool,
        bytes: usize,
        result: Result<Allocation, AllocError>,
    ) -> Result<Allocation, AllocError> {
        let size = i64::try_from(bytes).unwrap();
        let served = result.as_ref().ok().map(|allocation| {
            if allocation.fallback_allocated {
                assert!(fallback, "a file for a request that did not ask for one");
                Served::File
            } else {
                Served::Primary
            }
        });
        self.requests.borrow_mut().push_back(Request { fallback, size, served });
        if let Ok(allocation) = &result {
            self.add(allocation, size);
        }
        let primary = self.inner.allocated() - self.inner.fallback_allocated();
        assert!(primary <= self.inner.footprint_limit(), "the limit was passed");
        result
    }

    fn add(&mut self, allocation: &Allocation, size: i64) {
        assert_eq!(allocation.size, size);
        assert!((allocation.address as usize).is_multiple_of(ALIGNMENT), "{allocation:?}");
        assert!(allocation.offset.unsigned_abs().is_multiple_of(ALIGNMENT), "{allocation:?}");
        assert!(allocation.offset >= 0 && allocation.offset as i64 + size <= allocation.mmap_size);
        let at = (allocation.fd.unique_id, allocation.offset);
        // An allocation of no bytes has an address of its own too.
        let end = at.1 + isize::try_from(size.max(1)).unwrap();
        if let Some((before, size)) = self.live.range(..=at).next_back() {
            assert!(
                before.0 != at.0 || before.1 + isize::try_from((*size).max(1)).unwrap() <= at.1
            );
        }
        if let Some((after, _)) = self.live.range(at..).next() {
            assert!(after.0 != at.0 || end <= after.1, "{allocation:?} overlaps {after:?}");
        }
        self.live.insert(at, size);
    }
}

impl<A: Allocator> Allocator for Watched<A> {
    fn allocate(&mut self, bytes: usize) -> Result<Allocation, AllocError> {
        let result = self.inner.allocate(bytes);
        self.watch(false, bytes, result)
    }

    fn fallback_allocate(&mut self, bytes: usize) -> Result<Allocation, AllocError> {
        let result = self.inner.fallback_allocate(bytes);
        self.watch(true, bytes, result)
    }

    fn free(&mut self, allocation: Allocation) -> Result<(), FreeError> {
        let at = (allocation.fd.unique_id, allocation.offset);
        assert_eq!(self.live.remove(&at), Some(allocation.size), "freed, but not live");
        self.inner.free(allocation)
    }

    fn footprint_limit(&self) -> i64 {
        self.inner.footprint_limit()
    }

    fn allocated(&self) -> i64 {
        self.inner.allocated()
    }

    fn fallback_allocated(&self) -> i64 {
        self.inner.fallback_allocated()
    }
}

/// An allocator that only counts: a limit, a disk of so many bytes, and refusals on demand.
pub(crate) struct Counting {
    limit: i64,
    disk: i64,
    primary: i64,
    files: i64,
    next_offset: isize,
    refusals: Cell<u32>,
    /// Every allocation has this address: only the header of a mutable object is ever written.
    scratch: *mut Scratch,
}

#[repr(align(64))]
struct Scratch(std::mem::MaybeUninit<PlasmaObjectHeader>);

impl Counting {
    pub(crate) fn new(limit: i64, disk: i64) -> Self {
        let scratch = Box::into_raw(Box::new(Scratch(std::mem::MaybeUninit::uninit())));
        Self { limit, disk, primary: 0, files: 0, next_offset: 0, refusals: Cell::new(0), scratch }
    }

    /// The next so many requests find no room in the primary region, as when it is fragmented.
    pub(crate) fn refuse(&self, requests: u32) {
        self.refusals.set(requests);
    }

    fn give(&mut self, size: i64, fallback_allocated: bool) -> Allocation {
        let offset = self.next_offset;
        self.next_offset += 64 * (1 + isize::try_from(size).unwrap() / 64);
        Allocation {
            address: self.scratch.cast(),
            size,
            fd: MemFd::INVALID,
            offset,
            device_num: 0,
            mmap_size: i64::MAX,
            fallback_allocated,
            number: 0,
        }
    }
}

impl Drop for Counting {
    fn drop(&mut self) {
        // SAFETY: `new` made it of a box, and the store that got its address goes together with this.
        drop(unsafe { Box::from_raw(self.scratch) });
    }
}

impl Allocator for Counting {
    fn allocate(&mut self, bytes: usize) -> Result<Allocation, AllocError> {
        let size = i64::try_from(bytes).unwrap();
        let refusals = self.refusals.get();
        self.refusals.set(refusals.saturating_sub(1));
        if refusals > 0 || size > self.limit - self.primary {
            return Err(AllocError::OutOfMemory { requested: bytes });
        }
        self.primary += size;
        Ok(self.give(size, false))
    }

    fn fallback_allocate(&mut self, bytes: usize) -> Result<Allocation, AllocError> {
        let size = i64::try_from(bytes).unwrap();
        match self.allocate(bytes) {
            Err(_) if size <= self.disk - self.files => {
                self.files += size;
                Ok(self.give(size, true))
            }
            done => done,
        }
    }

    fn free(&mut self, allocation: Allocation) -> Result<(), FreeError> {
        *(if allocation.fallback_allocated { &mut self.files } else { &mut self.primary }) -=
            allocation.size;
        Ok(())
    }

    fn footprint_limit(&self) -> i64 {
        self.limit
    }

    fn allocated(&self) -> i64 {
        self.primary + self.files
    }

    fn fallback_allocated(&self) -> i64 {
        self.files
    }
}

/// The real one, with files in `fallback_directory`.
pub(crate) fn real(limit: i64, fallback_directory: &std::path::Path) -> PlasmaAllocator {
    let shm = std::path::Path::new("/dev/shm");
    PlasmaAllocator::new(PlasmaAllocatorConfig {
        plasma_directory: if shm.is_dir() { shm.to_owned() } else { std::env::temp_dir() },
        fallback_directory: fallback_directory.to_owned(),
        footprint_limit: limit,
        hugepage_enabled: false,
        preallocate: false,
        exclude_from_core_dump: false,
    })
    .unwrap()
}
