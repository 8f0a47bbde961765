//! Every shared mapping of this process, by address: what Ray keeps in `mmap_records`.
//!
//! Safe to use from any thread.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::allocator::{MemFd, MMAP_REGIONS_GAP};

/// What is known of a mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct MmapRecord {
    /// Its file.
    pub fd: MemFd,
    /// Its bytes that clients may use, plus [`MMAP_REGIONS_GAP`].
    pub size: i64,
}

static RECORDS: RwLock<BTreeMap<usize, MmapRecord>> = RwLock::new(BTreeMap::new());
static NEXT_ID: AtomicI64 = AtomicI64::new(MemFd::INVALID.unique_id + 1);

// Each change is one call of the map, so a panic elsewhere cannot have left it half done.
fn read() -> RwLockReadGuard<'static, BTreeMap<usize, MmapRecord>> {
    RECORDS.read().unwrap_or_else(PoisonError::into_inner)
}

fn write() -> RwLockWriteGuard<'static, BTreeMap<usize, MmapRecord>> {
    RECORDS.write().unwrap_or_else(PoisonError::into_inner)
}

/// Enters the mapping of `usable` bytes that begins at `base`, and gives its file the next id.
pub fn register(base: usize, fd: i32, usable: i64) -> MmapRecord {
    let unique_id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
    let size = usable.saturating_add(MMAP_REGIONS_GAP);
    let record = MmapRecord { fd: MemFd { fd, unique_id }, size };
    let earlier = write().insert(base, record);
    debug_assert!(earlier.is_none(), "two mappings begin at {base:#x}");
    record
}

/// Takes out the mapping that begins at `base`. Do so before it is unmapped: afterwards the address
/// can be another's.
pub fn unregister(base: usize) -> Option<MmapRecord> {
    write().remove(&base)
}

/// The mapping in which `address` lies, and where it begins.
#[must_use]
pub fn find(address: usize) -> Option<(usize, MmapRecord)> {
    let (base, record) = read().range(..=address).next_back().map(|(b, r)| (*b, *r))?;
    let usable = usize::try_from(record.size - MMAP_REGIONS_GAP).ok()?;
    (address - base < usable).then_some((base, record))
}

/// All mappings, by rising address.
#[must_use]
pub fn all() -> Vec<(usize, MmapRecord)> {
    read().iter().map(|(base, record)| (*base, *record)).collect()
}

/// How many mappings there are.
#[must_use]
pub fn len() -> usize {
    read().len()
}

/// Whether there is no mapping.
#[must_use]
pub fn is_empty() -> bool {
    len() == 0
}

/// A mapping's entry, which leaves with it.
#[derive(Debug)]
pub(super) struct Registration {
    base: usize,
    record: MmapRecord,
}

impl Registration {
    pub(super) fn new(base: usize, fd: i32, usable: i64) -> Self {
        Self { base, record: register(base, fd, usable) }
    }

    pub(super) fn record(&self) -> MmapRecord {
        self.record
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        unregister(self.base);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Addresses that no mapping of a test in this process can have: user space ends before.
    const HIGH: usize = 0xffff_0000_0000_0000;

    #[test]
    fn finds_the_containing_mapping_only() {
        let low = register(HIGH, 5, 4096);
        let high = register(HIGH + 8192, 6, 4096);
        assert!(high.fd.unique_id > low.fd.unique_id);
        assert!(low.fd.unique_id > 0);
        assert_eq!(low.size, 4104);
        assert_eq!(find(HIGH - 1), None);
        assert_eq!(find(HIGH), Some((HIGH, low)));
        assert_eq!(find(HIGH + 4095), Some((HIGH, low)));
        assert_eq!(find(HIGH + 4096), None, "the gap is no memory");
        assert_eq!(find(HIGH + 8192 + 17), Some((HIGH + 8192, high)));
        assert_eq!(find(usize::MAX), None);
        let ours: Vec<_> = all().into_iter().filter(|(base, _)| *base >= HIGH).collect();
        assert_eq!(ours, [(HIGH, low), (HIGH + 8192, high)]);
        assert!(len() >= 2 && !is_empty());
        assert_eq!(unregister(HIGH), Some(low));
        assert_eq!(unregister(HIGH), None);
        assert_eq!(find(HIGH), None);
        drop(Registration { base: HIGH + 8192, record: high });
        assert_eq!(find(HIGH + 8192), None);
    }
}
