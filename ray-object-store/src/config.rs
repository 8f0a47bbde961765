//! How a store is set up.

/// Which objects go first when room is needed, of those that nobody refers to or has pinned.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum EvictionPolicy {
    /// The one that has not been used for longest. A get is a use as long as it is read; to give back the last reference
    /// is one as well, as in Ray.
    #[default]
    Lru,
    /// The one that came first, however it is used.
    Fifo,
    /// The one that gets have found least often; of those, the one that has not been used for longest.
    Lfu,
}

/// What an object counts against the limit beside its data and metadata: its entry in the table, the entry's place in the index, and what
/// the allocator adds.
pub const OBJECT_OVERHEAD: usize = 112;

/// From this size on [`TieredStore`](crate::TieredStore) puts objects into the plasma store, as Ray does with what tasks return.
pub const DEFAULT_THRESHOLD: usize = 100 * 1024;

/// A store in the memory of this process.
///
/// ```
/// use ray_object_store::{EvictionPolicy, MemoryConfig, MemoryStore, ObjectStore};
///
/// let config = MemoryConfig { limit: 1 << 20, policy: EvictionPolicy::Lfu };
/// assert_eq!(MemoryStore::new(config).stats().limit, 1 << 20);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryConfig {
    /// Bytes that it may use at any moment. Each object counts its data, its metadata and [`OBJECT_OVERHEAD`].
    pub limit: usize,
    /// What goes first.
    pub policy: EvictionPolicy,
}

impl MemoryConfig {
    /// So many bytes, LRU.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { limit, policy: EvictionPolicy::default() }
    }
}

impl Default for MemoryConfig {
    /// 1 GiB, LRU.
    fn default() -> Self {
        Self::new(1 << 30)
    }
}
