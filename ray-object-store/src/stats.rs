//! What a store counts.

use std::ops::AddAssign;

/// So many objects, and the bytes that they count against the limit: data, metadata and
/// [`OBJECT_OVERHEAD`](crate::OBJECT_OVERHEAD).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Amount {
    /// Objects.
    pub objects: usize,
    /// Bytes.
    pub bytes: usize,
}

impl Amount {
    pub(crate) fn add(&mut self, bytes: usize) {
        self.objects += 1;
        self.bytes += bytes;
    }

    pub(crate) fn subtract(&mut self, bytes: usize) {
        self.objects -= 1;
        self.bytes -= bytes;
    }
}

impl AddAssign for Amount {
    fn add_assign(&mut self, other: Self) {
        self.objects += other.objects;
        self.bytes += other.bytes;
    }
}

/// What has happened since the store began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Gets of an object, each counted once, that found it at once.
    pub hits: u64,
    /// Gets that did not.
    pub misses: u64,
    /// Objects that were put.
    pub puts: u64,
    /// Objects that went because room was needed.
    pub evictions: u64,
    /// Bytes that they counted.
    pub evicted_bytes: u64,
    /// Objects that went with their last reference.
    pub freed: u64,
    /// Objects that were deleted.
    pub deleted: u64,
}

/// What a store has now, at one moment.
///
/// Every object in memory is in exactly one of `referenced`, `pinned` and `evictable`, so these and `reserved` add up to what
/// is used; and `puts` of objects in memory are those that are there, `evictions`, `freed` and `deleted`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Bytes of memory that the store may use.
    pub limit: usize,
    /// Being put.
    pub reserved: Amount,
    /// Referred to or read by somebody, and not pinned; deleted ones as long as somebody reads them.
    pub referenced: Amount,
    /// Pinned, whether referred to or not.
    pub pinned: Amount,
    /// May go when room is needed.
    pub evictable: Amount,
    /// Objects of the plasma store that are held for somebody in this process.
    pub shared: usize,
    /// Ids of which anything is known: objects, promises, and references to what has not come or has gone.
    pub known: usize,
    /// Waits for objects: one for each task and object.
    pub waits: usize,
    /// Objects that were freed here and are still used by other processes, which keeps alive what is nested in them.
    pub lingering: usize,
    /// What has happened.
    pub counters: Counters,
}

impl Stats {
    /// Bytes of memory in use. Never more than the limit.
    #[must_use]
    pub fn used(&self) -> usize {
        self.reserved.bytes + self.memory().bytes
    }

    /// All that lies in memory.
    #[must_use]
    pub fn memory(&self) -> Amount {
        let mut all = self.referenced;
        all += self.pinned;
        all += self.evictable;
        all
    }

    /// Whether the store has nothing, keeps nothing, and nobody waits.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.used() + self.shared + self.known + self.waits + self.lingering == 0
    }
}
