//! The eviction policy for a store that it does not own: it knows keys and sizes only.

use super::{space_to_free, CacheStatistics, LruCache};
use crate::plasma::common::ObjectKey;

/// Ray's `EvictionPolicy`: the caller says how large an object is and how full the store.
#[derive(Debug)]
pub struct EvictionPolicy<K> {
    cache: LruCache<K>,
    pinned_memory_bytes: i64,
}

impl<K: ObjectKey> EvictionPolicy<K> {
    /// A policy for a store of this capacity in bytes.
    pub fn new(footprint_limit: i64) -> Self {
        Self { cache: LruCache::new("global lru", footprint_limit), pinned_memory_bytes: 0 }
    }

    /// An object was created; until its first use it is unused.
    ///
    /// # Panics
    /// When it is known already.
    pub fn object_created(&mut self, key: &K, size: i64) {
        self.cache.add(key, size);
    }

    /// An unused object is used from now on.
    pub fn begin_object_access(&mut self, key: &K, size: i64) {
        self.cache.remove(key);
        self.pinned_memory_bytes = self.pinned_memory_bytes.saturating_add(size);
    }

    /// An object is no longer used.
    ///
    /// # Panics
    /// When it was unused already.
    pub fn end_object_access(&mut self, key: &K, size: i64) {
        self.cache.add(key, size);
        self.pinned_memory_bytes = self.pinned_memory_bytes.saturating_sub(size);
    }

    /// An object is about to be deleted.
    pub fn remove_object(&mut self, key: &K) {
        self.cache.remove(key);
    }

    /// Chooses victims that make room for `size` bytes in a store that has `allocated` of `limit` bytes in
    /// use. Returns the bytes that are still missing; zero or less when there is room then.
    pub fn require_space(
        &mut self,
        size: i64,
        allocated: i64,
        limit: i64,
        victims: &mut Vec<K>,
    ) -> i64 {
        let (required, to_free) = space_to_free(size, allocated, limit);
        let freed = self.choose_objects_to_evict(to_free, victims);
        log::debug!(
            "not enough space to create an object of {size} bytes: evicting {} objects to free {freed} \
             bytes of {allocated} in use",
            victims.len()
        );
        required.saturating_sub(freed)
    }

    /// Chooses victims of so many bytes together, or all, and forgets every key that is in `victims` then.
    /// Returns the bytes of the new ones.
    pub fn choose_objects_to_evict(&mut self, bytes: i64, victims: &mut Vec<K>) -> i64 {
        let freed = self.cache.choose_objects_to_evict(bytes, victims);
        for victim in victims.iter() {
            self.cache.remove(victim);
        }
        freed
    }

    /// Whether an object is known and unused.
    pub fn is_object_exists(&self, key: &K) -> bool {
        self.cache.exists(key)
    }

    /// Bytes of the objects in use.
    pub fn pinned_memory_bytes(&self) -> i64 {
        self.pinned_memory_bytes
    }

    /// Bytes and counts of the unused objects.
    pub fn statistics(&self) -> &CacheStatistics {
        self.cache.statistics()
    }
}
